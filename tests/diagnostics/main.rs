//! What the compiler says of stacks that do not fit: what is missing, and what to write.
//!
//! Each file in `examples` makes one mistake, and says in its first lines what the compiler must say of
//! it, in whatever else that is wrapped, which differs from one compiler to the next. They are one
//! package, made anew in the folder for temporary files, so that the mistakes are in no workspace; with
//! this workspace's lock file, so that nothing is looked up.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each example must say.
type Sayings = BTreeMap<String, Vec<String>>;

#[test]
fn mistakes_are_named_with_their_remedy() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnostics");
    let wanted = write_package(home, &package);
    let (said, compiled) = check(&package);
    let mut missing = Vec::new();
    for (example, sayings) in &wanted {
        let said = said.get(example).map(String::as_str).unwrap_or_default();
        assert_eq!(compiled.contains(example), sayings.is_empty(), "{example}:\n{said}");
        let missed = sayings.iter().filter(|saying| !said.contains(*saying));
        missing.extend(missed.map(|saying| format!("{example} does not say: {saying}\n{said}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(compiled.contains("right"), "and what is right is not told of");
}

/// Writes the package, and says what is to be said of its examples.
fn write_package(home: &Path, package: &Path) -> Sayings {
    let examples = package.join("examples");
    // What an earlier run has left there may be gone by now.
    let _ = fs::remove_dir_all(&examples);
    fs::create_dir_all(&examples).unwrap();
    fs::create_dir_all(package.join("src")).unwrap();
    fs::write(package.join("src/lib.rs"), "").unwrap();
    fs::copy(home.join("../Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let buttress = home.join("../crates/buttress");
    let manifest = include_str!("package.toml").replace("BUTTRESS", buttress.to_str().unwrap());
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    let sources = fs::read_dir(home.join("diagnostics/examples")).unwrap();
    let sources: Vec<PathBuf> = sources.map(|source| source.unwrap().path()).collect();
    let write = |source: &PathBuf| {
        let text = fs::read_to_string(source).unwrap();
        fs::write(examples.join(source.file_name().unwrap()), &text).unwrap();
        let sayings = text.lines().filter_map(|line| line.strip_prefix("// says: "));
        let name = source.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, sayings.map(str::to_owned).collect())
    };
    sources.iter().map(write).collect()
}

/// What the compiler says of each example, and which compile.
fn check(package: &Path) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--examples", "--keep-going", "--message-format=json"])
        .arg("--target-dir")
        .arg(package.join("target"))
        .current_dir(package)
        .output()
        .unwrap();
    let (mut said, mut compiled) = (BTreeMap::<_, String>::new(), BTreeSet::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let target = &message["target"];
        if target["kind"][0] != "example" {
            continue;
        }
        let name = target["name"].as_str().unwrap().to_owned();
        match message["reason"].as_str() {
            Some("compiler-message") => {
                let text = message["message"]["rendered"].as_str().unwrap();
                said.entry(name).or_default().push_str(text);
            }
            Some("compiler-artifact") => {
                compiled.insert(name);
            }
            _ => {}
        }
    }
    assert!(!compiled.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (said, compiled)
}
