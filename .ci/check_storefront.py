"""Reads the storefront's figures and checks what the README promises of them."""

import json
import sys

figures = json.load(sys.stdin)
buttressed, bare = figures["buttressed"], figures["bare"]
priced = {name: figures[name]["priced"]["while_pricing_failed"] for name in ("buttressed", "bare")}
recommended = buttressed["parts"]["recommendations"]["tiers"]

promises = {
    "buttressed answers 99 % within 1 s": buttressed["answered_within_1s"] >= 0.99,
    "buttressed amplifies no more than 1.3": buttressed["amplification"] <= 1.3,
    "buttressed has a price on 99 % while pricing fails": priced["buttressed"] >= 0.99,
    "buttressed recommends by more than one tier": len(recommended) > 1,
    "bare answers fewer": bare["answered_within_1s"] < 0.99,
    "bare amplifies more": bare["amplification"] > 1.3,
    "bare has fewer prices": priced["bare"] < 0.99,
}
print(figures["scenario"])
for promise, kept in promises.items():
    print("kept  " if kept else "BROKEN", promise)
sys.exit(0 if all(promises.values()) else 1)
