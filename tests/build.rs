//! Finds out whether there is a Redis to test against, so that its tests are counted as ignored by
//! name where there is none.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rustc-check-cfg=cfg(has_redis)");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PATH");
    println!("cargo:rerun-if-env-changed=BUTTRESS_REDIS");
    if let Some(server) = redis_server() {
        println!("cargo:rustc-cfg=has_redis");
        println!("cargo:rerun-if-changed={}", server.display());
    } else {
        // Where everything is meant to be there, its absence is a failure.
        assert!(
            env::var_os("BUTTRESS_REDIS").is_none(),
            "BUTTRESS_REDIS is set, but there is no redis-server on PATH"
        );
    }
}

fn redis_server() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|server| server.is_file())
}
