//! Puts every page and diagram of `docs/` into the program, as text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let docs = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../docs");
    let docs = docs.canonicalize().expect("docs/ is beside crates/");
    let mut files = Vec::new();
    gather(&docs, &mut files);
    files.sort();
    let mut out = String::from("static FILES: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.strip_prefix(&docs).expect("below docs/").to_string_lossy().replace('\\', "/");
        let _ = writeln!(out, "({name:?}, include_str!({:?})),", file.to_string_lossy());
    }
    out.push_str("];\n");
    let to = Path::new(&std::env::var("OUT_DIR").expect("set by cargo")).join("files.rs");
    std::fs::write(to, out).expect("OUT_DIR can be written");
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    // The folder itself too: a file that is added changes it.
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = std::fs::read_dir(folder).expect("docs/ can be read");
    for path in entries.map(|e| e.expect("docs/ can be read").path()) {
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|e| e == "md" || e == "svg") {
            println!("cargo:rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
}
