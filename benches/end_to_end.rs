//! The gateway of the examples end to end, with our stack, with tower-resilience's and with none.
//!
//! The gateway measures itself, and is given what this is given as `--name=value`: `--rounds=1` makes it short. Then,
//! and when it is given words, of which one has to be part of its row, it leaves nothing for the table.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use buttress_benches::{
    end_to_end::{self, EndToEnd},
    handover,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (settings, words): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with("--"));
    if !words.is_empty() && !words.iter().any(|word| end_to_end::ROW.contains(word.as_str())) {
        return Ok(());
    }
    let gateway = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        // Built as what else is measured.
        .args(["run", "--quiet", "--profile", "bench", "--package", "buttress-examples"])
        .args(["--example", "gateway", "--features", "peers", "--", "--measure", "--json"])
        .args(settings)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stderr(Stdio::inherit())
        .output()?;
    if !gateway.status.success() {
        return Err(format!("the gateway could not be measured: {}", gateway.status).into());
    }
    let json = String::from_utf8(gateway.stdout)?;
    print!("{}", EndToEnd::read(&json)?);
    if args.is_empty() {
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(handover::END_TO_END), json)?;
    }
    Ok(())
}
