//! Makes Rust's constants of those in `zmq.h`.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

const HEADER: &str = "../include/zmq.h";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={HEADER}");
    let (mut constants, mut errors) = (String::new(), String::new());
    for line in std::fs::read_to_string(HEADER)?.lines() {
        let Some((name, value)) = constant(line) else { continue };
        if !name.starts_with("ZMQ_") {
            writeln!(errors, "pub const {name}: i32 = {value};")?;
        } else if value.starts_with('-') {
            writeln!(constants, "pub const {name}: i32 = {value};")?;
        } else {
            writeln!(constants, "pub const {name}: u32 = {value};")?;
        }
    }
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("constants.rs"), constants)?;
    std::fs::write(Path::new(&out).join("errors.rs"), errors)?;
    Ok(())
}

/// The name and the value of a macro that is a number: one, or made of others, which C and Rust write alike.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
    let value = value.split("/*").next()?.trim();
    let a_number = |character: char| character.is_ascii_alphanumeric() || "_ ()+|-".contains(character);
    let is_one = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        && !value.contains("__")
        && value.chars().all(a_number);
    is_one.then_some((name, value))
}
