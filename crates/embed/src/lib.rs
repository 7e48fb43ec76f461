//! For build scripts: the files of a folder, compiled in, so that a new file there is no new code.

// Standard output is how a build script speaks to Cargo.
#![allow(clippy::print_stdout)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

use std::{env, fs, io, path::Path};

/// Writes `files.rs` to the build script's `OUT_DIR`: a `&[(&str, &str)]` with name (`<folder>/<file>`) and content of each
/// file of this extension in a folder at the workspace's root, in the order of their names. Cargo runs the script again
/// when one is added, changed or removed.
///
/// # Errors
/// The folder cannot be read; this is no build script.
pub fn files(folder: &str, extension: &str) -> io::Result<()> {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..");
    let place = root.join(folder);
    println!("cargo::rerun-if-changed={}", place.display());
    let listed = listed(&place, extension)?;
    for file in &listed {
        println!("cargo::rerun-if-changed={file}");
    }
    fs::write(
        Path::new(&variable("OUT_DIR")?).join("files.rs"),
        source(folder, &listed),
    )
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

/// The whole paths of the files of this extension, sorted.
fn listed(folder: &Path, extension: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let whole = fs::canonicalize(path)?;
            files.push(
                whole
                    .to_str()
                    .map(str::to_owned)
                    .ok_or(io::ErrorKind::InvalidFilename)?,
            );
        }
    }
    files.sort();
    Ok(files)
}

/// The list as Rust has it.
fn source(folder: &str, files: &[String]) -> String {
    let entries = files.iter().map(|file| {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        format!("    ({:?}, include_str!({file:?})),\n", format!("{folder}/{name}"))
    });
    format!("&[\n{}]", entries.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_extension_are_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "README.md", "toml"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let files = listed(folder.path(), "toml").unwrap();
        let names: Vec<_> = files.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.toml", "b.toml"]);
        assert!(listed(&folder.path().join("none"), "toml").is_err());
    }

    #[test]
    fn the_source_has_names_and_contents() {
        assert_eq!(
            source("datasets", &["/root/datasets/pin \"1\".toml".to_owned()]),
            "&[\n    (\"datasets/pin \\\"1\\\".toml\", include_str!(\"/root/datasets/pin \\\"1\\\".toml\")),\n]"
        );
    }
}
