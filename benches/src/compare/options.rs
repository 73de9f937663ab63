//! The command line.

use crate::cells::SECTIONS;
use std::path::{Path, PathBuf};

/// Another program to run: `NAME=PATH[,LABEL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub name: String,
    pub path: PathBuf,
    pub label: String,
}

#[derive(Debug)]
pub struct Options {
    pub draw: bool,
    pub others: Vec<Other>,
    pub limits: Vec<Other>,
    /// Name and version.
    pub versions: Vec<(String, String)>,
    pub sections: Vec<String>,
    pub repetitions: usize,
    pub seconds: f64,
    pub quick: bool,
    pub results: PathBuf,
    pub readme: PathBuf,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            draw: false,
            others: Vec::new(),
            limits: Vec::new(),
            versions: Vec::new(),
            sections: SECTIONS.map(str::to_owned).to_vec(),
            repetitions: 5,
            seconds: 0.3,
            quick: false,
            results: package.join("results/latest.csv"),
            readme: package.join("README.md"),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--draw" => options.draw = true,
                "--quick" => options.quick = true,
                "--other" => options.others.push(other(&value()?)?),
                "--limit" => options.limits.push(other(&value()?)?),
                "--version-of" => options.versions.push(pair(&value()?)?),
                "--sections" => options.sections = sections(&value()?)?,
                "--reps" => options.repetitions = repetitions(&value()?)?,
                "--secs" => options.seconds = seconds(&value()?)?,
                "--results" => options.results = value()?.into(),
                "--readme" => options.readme = value()?.into(),
                _ => return Err(format!("there is no option {word}")),
            }
        }
        Ok(options)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(',') && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("{text}: NAME=VALUE is wanted, without a comma in NAME")),
    }
}

fn other(text: &str) -> Result<Other, String> {
    let (name, value) = pair(text)?;
    let (path, label) = value.split_once(',').unwrap_or((&value, &name));
    Ok(Other { path: path.into(), label: label.to_owned(), name })
}

fn sections(text: &str) -> Result<Vec<String>, String> {
    let unknown = text.split(',').find(|section| !SECTIONS.contains(section));
    match unknown {
        Some(section) => Err(format!("there is no section {section:?}; there are {}", SECTIONS.join(","))),
        None => Ok(text.split(',').map(str::to_owned).collect()),
    }
}

fn repetitions(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or(format!("--reps {text}: a number from 1 on is wanted"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let valid = |seconds: &f64| (0.001..=10.0).contains(seconds);
    text.parse().ok().filter(valid).ok_or(format!("--secs {text}: a number from 0.001 to 10 is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_label_may_follow_the_path_of_another_program() {
        let options = parse("--other libzmq=/a/b --other mono=c,m-coal --secs 0.1").unwrap();
        let other = |name: &str, path: &str, label: &str| Other {
            name: name.to_owned(),
            path: path.into(),
            label: label.to_owned(),
        };
        assert_eq!(options.others, [other("libzmq", "/a/b", "libzmq"), other("mono", "c", "m-coal")]);
        assert_eq!((options.seconds, options.sections.len()), (0.1, SECTIONS.len()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--other libzmq",
            "--other a,b=c",
            "--sections latency,speed",
            "--reps 0",
            "--secs -1",
            "--secs NaN",
            "--reps",
            "--quickly",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
