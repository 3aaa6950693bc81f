//! Finds out which foreign programs there are to test against, so that the tests that need one are
//! counted as ignored by name where there is none.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The program, how tests are told of it, and what insists on it.
const PEERS: [(&str, &str, &str); 4] = [
    ("redis-server", "has_redis", "BUTTRESS_REDIS"),
    ("nginx", "has_nginx", "BUTTRESS_NGINX"),
    ("curl", "has_curl", "BUTTRESS_CURL"),
    ("h2load", "has_h2load", "BUTTRESS_H2LOAD"),
];

/// The same of modules of Python.
const MODULES: [(&str, &str, &str); 2] = [
    ("grpc", "has_grpcio", "BUTTRESS_GRPCIO"),
    ("toxiproxy", "has_toxiproxy", "BUTTRESS_TOXIPROXY"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PATH");
    for (program, told, insists) in PEERS {
        println!("cargo:rustc-check-cfg=cfg({told})");
        println!("cargo:rerun-if-env-changed={insists}");
        if let Some(found) = find(program) {
            println!("cargo:rustc-cfg={told}");
            println!("cargo:rustc-env={insists}_PATH={}", found.display());
            println!("cargo:rerun-if-changed={}", found.display());
        } else {
            // Where everything is meant to be there, its absence is a failure.
            assert!(env::var_os(insists).is_none(), "{insists} is set, but there is no {program}");
        }
    }
    println!("cargo:rerun-if-env-changed=PYTHONPATH");
    for (module, told, insists) in MODULES {
        println!("cargo:rustc-check-cfg=cfg({told})");
        println!("cargo:rerun-if-env-changed={insists}");
        if let Some(file) = find_module(module) {
            println!("cargo:rustc-cfg={told}");
            println!("cargo:rerun-if-changed={file}");
        } else {
            assert!(
                env::var_os(insists).is_none(),
                "{insists} is set, but python3 has no module {module}"
            );
        }
    }
}

/// The file of a module of Python.
fn find_module(module: &str) -> Option<String> {
    let ask = format!("import os, {module}; print(os.path.abspath({module}.__file__))");
    let answer = Command::new("python3").args(["-c", &ask]).output().ok()?;
    let file = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| file.trim().to_owned())
}

/// On PATH, or where Debian has servers, which is on PATH for root alone.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}
