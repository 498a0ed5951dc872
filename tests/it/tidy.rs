//! The house rules, executable. Each test is one rule and its failure says how to mend it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const MAX_FILE_LINES: usize = 800;
const MAX_FN_LINES: usize = 70;
const MAX_PAGE_LINES: usize = 200;

/// Which of our own crates a crate may name. A crate that is missing here is an error.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("justping-core", &[]),
    ("justping-http", &[]),
    ("justping-channels", &["justping-core", "justping-http"]),
    ("justping-agents", &["justping-core", "justping-http"]),
    ("justping-store", &["justping-core"]),
    ("justping-plugins", &["justping-core", "justping-http"]),
    (
        "justping",
        &[
            "justping-core",
            "justping-http",
            "justping-channels",
            "justping-agents",
            "justping-store",
            "justping-plugins",
        ],
    ),
    ("justping-cli", &["justping"]),
    ("justping-server", &["justping"]),
];

/// Which crates may name a heavy dependency. Everyone else goes through a port of core.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["justping-store"]),
    ("redis", &["justping-store"]),
    ("lapin", &["justping-store"]),
    ("reqwest", &["justping-http"]),
    ("axum", &["justping-server"]),
    ("wasmtime", &["justping-plugins"]),
];

const VAGUE_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn members() -> Result<Vec<Package>, cargo_metadata::Error> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.other_options(vec!["--offline".to_owned()]);
    Ok(command.exec()?.packages)
}

/// The names of the packages that `cargo tree` finds below a package, itself included.
fn tree(args: &[&str]) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "--prefix", "none", "--format", "{p}"])
        .args(args)
        .output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo tree failed; `cargo fetch` may mend it: {why}").into());
    }
    let names = String::from_utf8(output.stdout)?;
    Ok(names.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// Every file of the repository that is tracked or about to be; without git, every file.
fn files() -> Result<Vec<PathBuf>, std::io::Error> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let mut found = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect(),
        _ => walk(root())?,
    };
    found.retain(|path| root().join(path).is_file());
    found.sort();
    Ok(found)
}

fn walk(top: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut found = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "node_modules", "data"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root()) {
                found.push(relative.to_owned());
            }
        }
    }
    Ok(found)
}

struct Source {
    path: PathBuf,
    text: String,
    /// The text with comments, strings and characters blanked, so that only code is left.
    code: String,
}

fn rust_sources() -> Result<Vec<Source>, std::io::Error> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files()?
        .into_iter()
        .filter(is_rust)
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path))?;
            let code = blank(&text);
            Ok(Source { path, text, code })
        })
        .collect()
}

/// Fails with a page a person can read: what is wrong, line by line, then how to mend it.
#[track_caller]
fn report(faults: &[String], mend: &str) -> Outcome {
    assert!(faults.is_empty(), "\n  {}\n\n{mend}\n", faults.join("\n  "));
    Ok(())
}

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(key, _)| *key == name).map(|(_, values)| *values)
}

/// Tests of the facade, the server and the command may use what they like; a library crate may not.
fn is_exempt(package: &str, kind: DependencyKind) -> bool {
    kind == DependencyKind::Development
        && ["justping", "justping-cli", "justping-server"].contains(&package)
}

#[test]
fn our_crates_import_only_what_the_law_allows() -> Outcome {
    let members = members()?;
    let ours: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let mut faults = Vec::new();
    for package in &members {
        let Some(law) = allowed(MAY_IMPORT, &package.name) else {
            faults.push(format!("{} is not in MAY_IMPORT", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let exempt = name == package.name.as_str() || is_exempt(&package.name, dependency.kind);
            if ours.contains(name) && !law.contains(&name) && !exempt {
                faults.push(format!("{} imports {name}", package.name));
            }
        }
    }
    let mend = "Move what is shared into a port or a noun of justping-core; adapters never import \
                each other, and only the server imports the facade.";
    report(&faults, mend)
}

#[test]
fn heavy_dependencies_stay_with_their_owners() -> Outcome {
    let mut faults = Vec::new();
    for package in members()? {
        for dependency in &package.dependencies {
            let Some(owners) = allowed(OWNERS, &dependency.name) else { continue };
            let exempt = is_exempt(&package.name, dependency.kind);
            if !owners.contains(&package.name.as_str()) && !exempt {
                faults.push(format!("{} names {}", package.name, dependency.name));
            }
        }
    }
    report(&faults, "Go through a port of justping-core, or put the code into the owning crate.")
}

#[test]
fn nothing_heavy_reaches_core_even_indirectly() -> Outcome {
    let names = tree(&["-p", "justping-core", "--all-features", "-e", "normal,build"])?;
    let heavy = ["sqlx", "sqlx-core", "redis", "reqwest", "hyper", "wasmtime", "axum"];
    let faults: Vec<String> = found_in(&names, &heavy, "justping-core");
    report(&faults, "See who pulls it in: `cargo tree -p justping-core -e normal -i <name>`.")
}

#[test]
fn the_bare_facade_is_light() -> Outcome {
    let names = tree(&["-p", "justping", "--no-default-features", "-e", "normal"])?;
    let heavy = ["redis", "reqwest", "sqlx", "sqlx-core", "wasmtime", "axum"];
    let faults = found_in(&names, &heavy, "justping without features");
    report(&faults, "Make the dependency optional and switch it on by a feature of the facade.")
}

#[test]
fn the_default_facade_has_no_network_client() -> Outcome {
    let names = tree(&["-p", "justping", "-e", "normal"])?;
    let faults = found_in(&names, &["redis", "reqwest", "hyper"], "justping with default features");
    report(&faults, "Default features are memory, SQLite, web chat, flows: no network client.")
}

fn found_in(names: &BTreeSet<String>, heavy: &[&str], whose: &str) -> Vec<String> {
    let present = heavy.iter().filter(|name| names.contains(**name));
    present.map(|name| format!("{whose} depends on {name}")).collect()
}

#[test]
fn versions_are_written_once() -> Outcome {
    let mut faults = Vec::new();
    for package in members()? {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        let own = uninherited(&manifest).into_iter();
        faults.extend(own.map(|line| format!("{}: {line}", package.manifest_path)));
    }
    report(&faults, "Put the version into [workspace.dependencies] and write `workspace = true`.")
}

/// The dependency lines of a manifest that do not inherit from the workspace.
fn uninherited(manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut table = String::new();
    let mut is_open = false;
    for line in manifest.lines().map(str::trim).chain(["[end]"]) {
        if line.starts_with('[') {
            if is_open {
                faults.push(table);
            }
            table = line.trim_matches(['[', ']']).to_owned();
            is_open = is_single_dependency(&table);
        } else if is_open {
            is_open = line.replace(' ', "") != "workspace=true";
        } else if is_dependency_table(&table) && line.contains('=') && !line.starts_with('#') {
            let compact = line.replace(' ', "");
            if !compact.contains("workspace=true") {
                faults.push(line.to_owned());
            }
        }
    }
    faults
}

fn is_dependency_table(table: &str) -> bool {
    table != "workspace.dependencies"
        && table.rsplit('.').next().is_some_and(|last| last.ends_with("dependencies"))
}

fn is_single_dependency(table: &str) -> bool {
    table.rsplit_once('.').is_some_and(|(parent, _)| is_dependency_table(parent))
        && !is_dependency_table(table)
        && table != "workspace.dependencies"
        && !table.starts_with("workspace.")
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() -> Outcome {
    let mut faults = Vec::new();
    for package in members()? {
        let manifest = std::fs::read_to_string(&package.manifest_path)?.replace(' ', "");
        if !manifest.contains("[lints]\nworkspace=true") {
            faults.push(package.manifest_path.to_string());
        }
    }
    report(&faults, "Add `[lints]` with `workspace = true` to the manifest.")
}

#[test]
fn one_file_is_unsafe() -> Outcome {
    let may = Path::new("plugins/host/src/sandbox/cache.rs");
    let sources = rust_sources()?.into_iter();
    let unsafe_ones =
        sources.filter(|source| source.path != may && has_word(&source.code, "unsafe"));
    let faults: Vec<_> = unsafe_ones.map(|source| source.path.display().to_string()).collect();
    report(&faults, "Only loading code that this machine compiled is `unsafe`; find another way.")
}

#[test]
fn files_are_short() -> Outcome {
    let long = rust_sources()?.into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines", source.path.display()))
    });
    let mend = format!("The wall is {MAX_FILE_LINES} lines: split by concept, move tests aside.");
    report(&long.collect::<Vec<_>>(), &mend)
}

#[test]
fn functions_are_short() -> Outcome {
    let mut faults = Vec::new();
    for Source { path, code, .. } in rust_sources()? {
        for Function { name, line, lines } in functions(&code) {
            if lines > MAX_FN_LINES {
                faults.push(format!("{}:{line}: fn {name} has {lines} lines", path.display()));
            }
        }
    }
    let mend = format!("The wall is {MAX_FN_LINES} lines: name the steps and make them functions.");
    report(&faults, &mend)
}

#[test]
fn nothing_is_left_undone_or_slept_through() -> Outcome {
    let mut faults = Vec::new();
    for Source { path, code, .. } in rust_sources()? {
        let found = unfinished(&code).into_iter();
        faults.extend(found.map(|what| format!("{}: {what}", path.display())));
    }
    let mend = "Finish it or leave it out; run every test; take time from `Clock`, never by \
                blocking a thread.";
    report(&faults, mend)
}

fn unfinished(code: &str) -> Vec<&'static str> {
    let tight: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let sleeps_by_import = tight
        .split("thread::{")
        .skip(1)
        .any(|rest| rest.split('}').next().is_some_and(|names| has_word(names, "sleep")));
    let ignores = tight.split("#[").skip(1).any(|rest| {
        let attribute = rest.split(']').next().unwrap_or_default();
        let word = attribute.split(['=', '(', ',']).next().unwrap_or_default();
        word == "ignore" || (word == "cfg_attr" && has_word(attribute, "ignore"))
    });
    let faults = [
        (tight.contains("todo!"), "todo!"),
        (tight.contains("unimplemented!"), "unimplemented!"),
        (ignores, "#[ignore]"),
        (tight.contains("thread::sleep") || sleeps_by_import, "thread::sleep"),
    ];
    faults.into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| name).collect()
}

#[test]
fn names_say_what_is_inside() -> Outcome {
    let mut faults = Vec::new();
    for Source { path, code, .. } in rust_sources()? {
        let in_path = path.with_extension("");
        let vague = in_path
            .components()
            .any(|part| VAGUE_NAMES.contains(&part.as_os_str().to_string_lossy().as_ref()));
        if vague {
            faults.push(path.display().to_string());
        }
        let words: Vec<&str> = words(&code).collect();
        for pair in words.windows(2) {
            if let ["mod", name] = pair
                && VAGUE_NAMES.contains(name)
            {
                faults.push(format!("{}: mod {name}", path.display()));
            }
        }
    }
    report(&faults, "Name the module after the one concept it holds; vague names collect dust.")
}

#[test]
fn pages_are_short() -> Outcome {
    let mut faults = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md"] {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        let lines = text.lines().count();
        if lines > MAX_PAGE_LINES {
            faults.push(format!("{name}: {lines} lines"));
        }
    }
    let mend = format!("The wall is {MAX_PAGE_LINES} lines: move detail to rustdoc.");
    report(&faults, &mend)
}

#[test]
fn no_file_knows_one_machine() -> Outcome {
    // Written in two parts, or this file would accuse itself.
    let homes = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let mut faults = Vec::new();
    for path in files()? {
        let bytes = std::fs::read(root().join(&path))?;
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| names_absolute(line, home)) {
                faults.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    report(&faults, "Use a path relative to the repository, a setting, or a temporary folder.")
}

/// Whether `line` holds `home` as the start of a path, not as the middle of a longer one.
fn names_absolute(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        before.is_none_or(|c| !(c.is_alphanumeric() || "._-~})".contains(c)))
    })
}

#[test]
fn one_crate_builds_the_http_client() -> Outcome {
    let mut faults = Vec::new();
    for Source { path, code, .. } in rust_sources()? {
        let is_test = path.components().any(|part| {
            ["tests", "tests.rs", "benches"].contains(&part.as_os_str().to_string_lossy().as_ref())
        });
        if !is_test && !path.starts_with("justping-http/src") && builds_client(&code) {
            faults.push(path.display().to_string());
        }
    }
    let mend = "Take a `ConfiguredClient` or an `OpenClient` of justping-http: its limits guard \
                against SSRF.";
    report(&faults, mend)
}

fn builds_client(code: &str) -> bool {
    let tight: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let starts = ["Client::new(", "Client::builder(", "Client::default(", "ClientBuilder::"];
    let begins = |start: &str| {
        tight.match_indices(start).any(|(at, _)| {
            let before = tight.get(..at).and_then(|head| head.chars().next_back());
            before.is_none_or(|c| !is_word(c))
        })
    };
    has_word(code, "reqwest")
        && (starts.iter().any(|start| begins(start))
            || tight.contains("reqwest::get(")
            || tight.contains("reqwest::blocking"))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

fn has_word(code: &str, wanted: &str) -> bool {
    words(code).any(|word| word == wanted)
}

/// Replaces comments, strings and character literals by spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let end = token_end(&chars, at);
        if end == at {
            code.push(c);
            at += 1;
            continue;
        }
        for hidden in chars.iter().take(end).skip(at) {
            code.push(if *hidden == '\n' { '\n' } else { ' ' });
        }
        at = end;
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn token_end(chars: &[char], at: usize) -> usize {
    let peek = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    let glued = at > 0 && chars.get(at - 1).is_some_and(|c| is_word(*c));
    match (peek(0), peek(1)) {
        ('/', '/') => line_end(chars, at),
        ('/', '*') => block_end(chars, at),
        ('"', _) => quote_end(chars, at + 1, '"'),
        ('\'', '\\') => quote_end(chars, at + 1, '\''),
        ('\'', _) if peek(2) == '\'' => at + 3,
        ('r', '"' | '#') if !glued => raw_end(chars, at + 1).unwrap_or(at),
        ('b' | 'c', 'r') if !glued => raw_end(chars, at + 2).unwrap_or(at),
        _ => at,
    }
}

fn line_end(chars: &[char], at: usize) -> usize {
    let rest = chars.iter().skip(at);
    at + rest.take_while(|c| **c != '\n').count()
}

fn block_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => depth += 1,
            (Some('*'), Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn quote_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose hashes begin at `start`; none for a raw identifier.
fn raw_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars.iter().skip(start).take_while(|c| **c == '#').count();
    let open = start + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        chars.get(*at) == Some(&'"')
            && chars.iter().skip(at + 1).take(hashes).filter(|c| **c == '#').count() == hashes
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions with a body in blanked code, nested ones too, from `fn` to the closing brace.
fn functions(code: &str) -> Vec<Function> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for (at, c) in chars.iter().enumerate() {
        if *c == '\n' {
            line += 1;
        }
        let Some(name) = function_name(&chars, at) else { continue };
        let Some(open) = body_open(&chars, at) else { continue };
        let close = matching_brace(&chars, open);
        let breaks = chars.iter().take(close).skip(at).filter(|c| **c == '\n').count();
        found.push(Function { name, line, lines: breaks + 1 });
    }
    found
}

/// The name when the keyword `fn` of an item stands at `at`: not `r#fn`, not a pointer `fn(u8)`.
fn function_name(chars: &[char], at: usize) -> Option<String> {
    let glued = at > 0 && chars.get(at - 1).is_some_and(|c| is_word(*c) || *c == '#');
    let is_keyword = chars.get(at) == Some(&'f') && chars.get(at + 1) == Some(&'n');
    if glued || !is_keyword || !chars.get(at + 2)?.is_whitespace() {
        return None;
    }
    let rest = chars.iter().skip(at + 2).skip_while(|c| c.is_whitespace());
    let name: String = rest.take_while(|c| is_word(**c) || "$#".contains(**c)).collect();
    (!name.is_empty()).then_some(name)
}

/// The brace that opens the body, or none for a declaration that ends in a semicolon.
fn body_open(chars: &[char], start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    let mut before = ' ';
    let mut at = start;
    while let Some(&c) = chars.get(at) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            // A brace inside brackets or right after `<`, `,` or `=` is a constant of a type.
            '{' if depth > 0 || "<=".contains(before) => at = matching_brace(chars, at),
            '{' => return Some(at),
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
        at += 1;
    }
    None
}

fn matching_brace(chars: &[char], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in chars.iter().enumerate().skip(open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    chars.len()
}

#[test]
fn the_scanner_blanks_what_is_not_code() {
    let cases = [
        ("a // { \"\nb", "a b"),
        ("a /* { /* } */ \" */ b", "a b"),
        (r#"x("}\"{", 1)"#, "x( , 1)"),
        (r###"r#"a"}"# + r"\" ;"###, "+ ;"),
        (r##"br#"}"# ; cr"}" + b"}" - c"}" "##, "; + b - c"),
        (r"m('{', '\'', '\\', '\u{7d}', b'}')", "m( , , , , b )"),
        ("fn f<'a>(x: &'a str) { 'l: loop {} }", "fn f<'a>(x: &'a str) { 'l: loop {} }"),
        ("r#fn(bar\"}\")", "r#fn(bar )"),
        ("\"multi\n}\nline\" {", "{"),
        ("/* open {", ""),
        ("\"open {\\", ""),
    ];
    for (text, code) in cases {
        let blanked = blank(text);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
        assert_eq!(blanked.chars().count(), text.chars().count(), "{text}");
        assert_eq!(blanked.matches('\n').count(), text.matches('\n').count(), "{text}");
    }
}

#[test]
fn the_scanner_measures_functions() {
    let text = "
trait T { fn declared(&self) -> [u8; 3]; fn given(&self) { } }
fn generic<const N: usize>(a: [u8; { N + 1 }]) -> Foo<{ N }>
where
    A: Fn(fn(u8) -> u8),
{
    let s = \"}\"; // }
    fn inner() {
        '}';
    }
}
type P = fn(u8); struct S { r#fn: u8, fnord: u8 }
macro_rules! m { ($n:ident) => { fn $n() {
} } }
";
    let measured = functions(&blank(text));
    let found: Vec<_> = measured.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    let wanted = [("given", 2, 1), ("generic", 3, 9), ("inner", 8, 3), ("$n", 13, 2)];
    assert_eq!(found, wanted);
}

#[test]
fn the_scanner_finds_what_is_unfinished_only_in_code() {
    let clean = "// todo!()\nlet a = \"#[ignore] thread::sleep\"; #[serde(ignore)] fn ignore() {}";
    assert!(unfinished(&blank(clean)).is_empty());
    let bad =
        ["todo ! ()", "unimplemented!(\"x\")", "#[ignore = \"slow\"]", "std::thread::sleep(d)"];
    for text in bad {
        assert_eq!(unfinished(&blank(text)).len(), 1, "{text}");
    }
    assert_eq!(unfinished("use std::thread::{spawn, sleep};"), ["thread::sleep"]);
    assert_eq!(unfinished("#[cfg_attr(windows, ignore)]"), ["#[ignore]"]);
}

#[test]
fn the_scanner_reads_manifests_and_paths() {
    let inherited = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n\
                     [dev-dependencies.c]\nworkspace = true\n[workspace.dependencies]\nd = \"1\"\n\
                     [workspace.dependencies.e]\nversion = \"1\"\n[features]\nf = []\n";
    assert_eq!(uninherited(inherited), Vec::<String>::new());
    let own =
        "[target.'cfg(unix)'.dependencies]\na = \"1\"\n[build-dependencies.b]\nversion = \"1\"";
    assert_eq!(uninherited(own), ["a = \"1\"", "build-dependencies.b"]);
    assert!(names_absolute("cd \"/home/x\"", "/home/"));
    assert!(!names_absolute("https://a.example/home/x ../home/ $H/home/", "/home/"));
}

#[test]
fn the_scanner_knows_who_builds_a_client() {
    assert!(builds_client("use reqwest::Client; Client::builder()"));
    assert!(builds_client("reqwest::Client::new()"));
    assert!(builds_client("reqwest :: ClientBuilder :: new()"));
    assert!(builds_client("reqwest::get(url).await"));
    assert!(!builds_client("use reqwest::Client; GraphClient::new()"));
    assert!(!builds_client("Client::new()"));
}
