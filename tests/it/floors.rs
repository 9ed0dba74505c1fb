//! Holds the table of floors: a module names its own children and lower floors, nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules from the ground up; modules on one floor never name each other.
const FLOORS: &[&[&str]] = &[
    &["graph", "embedding", "random"],
    &["import", "matrix", "motif"],
    &["model", "index", "corpus", "store"],
    &["engine", "eval", "export"],
    &["train", "api"],
    &["settings", "telemetry"],
];

/// Pairs that the table allows although they share a floor, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    // `settings` gathers the configuration of every module, telemetry's too.
    ("settings", "telemetry"),
];

#[test]
fn modules_look_down_never_sideways_or_up() {
    let floors: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, modules)| modules.iter().map(move |module| (*module, floor)))
        .collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut offenders = Vec::new();
    for path in rust_files(&source) {
        let module = module_of(path.strip_prefix(&source).unwrap());
        if ["lib", "bin"].contains(&module.as_str()) {
            continue;
        }
        let Some(floor) = floors.get(module.as_str()) else {
            offenders.push(format!("`{module}` has no floor; add it to the table"));
            continue;
        };
        for named in named_modules(&std::fs::read_to_string(&path).unwrap()) {
            let is_own = named == module;
            let is_lower = floors.get(named.as_str()).is_none_or(|other| other < floor);
            if !is_own && !is_lower && !ALLOWED.contains(&(module.as_str(), named.as_str())) {
                offenders.push(format!("{} names `{named}`", path.display()));
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn the_scan_sees_every_way_of_naming_a_module() {
    let text = "use crate::{api, engine::{self, Hit}};\nfn f() { crate::train::go(); }\n// crate::eval::x\n";
    assert_eq!(named_modules(text), ["api", "engine", "train"]);
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules after `crate::`, also inside a braced list; comments do not count.
fn named_modules(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let mut names: Vec<String> = code
        .split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => listed(list),
            None => vec![word(rest)],
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The first word of every item at the top level of a braced list.
fn listed(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (place, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(word(list[start..place].trim()));
                start = place + 1;
                if letter == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}
