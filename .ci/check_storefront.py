"""Reads the storefront's figures and checks what the README promises of them."""

import json
import sys

figures = json.load(sys.stdin)
buttressed, bare = figures["buttressed"], figures["bare"]

promises = {
    "buttressed answers 99 % within 1 s": buttressed["answered_within_1s"] >= 0.99,
    "buttressed amplifies no more than 1.3": buttressed["amplification"] <= 1.3,
    "bare answers fewer": bare["answered_within_1s"] < 0.99,
    "bare amplifies more": bare["amplification"] > 1.3,
}
for promise, kept in promises.items():
    print("kept  " if kept else "BROKEN", promise)
sys.exit(0 if all(promises.values()) else 1)
