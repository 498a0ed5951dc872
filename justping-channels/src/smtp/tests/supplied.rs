//! Mails written by others. They are not part of this repository: the folder is found by
//! `JUSTPING_CONFORMANCE_DIR`, or as `../shared/conformance` beside the workspace. Without it these
//! tests say so, and the other tests of this module stand alone.

use std::path::{Path, PathBuf};

use justping_core::model::{Content, FailureKind, Inbound};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::smtp::{bounce, error, incoming};

fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let root = std::env::var_os("JUSTPING_CONFORMANCE_DIR").map_or_else(beside, PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{} is missing: only own fixtures ran", folder.display());
    None
}

/// Every file of the folder with its name, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn read(bytes: &[u8]) -> Option<Vec<Inbound>> {
    incoming::read(bytes, "acme.example", "hello@acme.example").ok()
}

#[test]
fn every_mail_is_read() {
    let Some(folder) = folder("email-mime") else { return };
    let (mut read_count, mut messages, mut with_text) = (0, 0, 0);
    for (name, bytes) in &files(&folder) {
        read_count += 1;
        for one in read(bytes).into_iter().flatten() {
            let Inbound::Message(message) = one else { continue };
            assert!(!message.from.is_empty() && !message.provider_ref.is_empty(), "{name}");
            let Content::Email(mail) = message.content else { panic!("{name}") };
            messages += 1;
            with_text += usize::from(!mail.text.is_empty());
        }
    }
    println!(
        "email-mime: {read_count} files read, {messages} with a sender, {with_text} of them with text"
    );
    assert!(read_count > 100 && messages >= 14 && with_text >= 11);
}

/// What the tables of others say of a report: the enhanced code, and whether the mailbox is gone.
#[derive(Default)]
struct Score {
    files: usize,
    reports: usize,
    compared: usize,
    same_status: usize,
    same_fate: usize,
}

impl Score {
    fn add(&mut self, expected: &[Value], bytes: &[u8]) {
        self.files += 1;
        let _ = read(bytes);
        let Some(mail) = MessageParser::default().parse(bytes) else { return };
        let Some(report) = bounce::report(&mail) else { return };
        self.reports += 1;
        let [expected] = expected else { return };
        let status = expected["status"].as_str().unwrap_or_default();
        if status.is_empty() || expected["reason"] == "feedback" || report.status.is_empty() {
            return;
        }
        self.compared += 1;
        self.same_status += usize::from(report.status == status);
        let failure = error::failure(report.reply(), &report.status, &report.diagnostic);
        let gone = failure.kind == FailureKind::InvalidRecipient;
        self.same_fate += usize::from(expected["hardbounce"] == gone);
    }
}

#[test]
fn reports_are_read_as_others_read_them() {
    let Some(folder) = folder("email-bounces") else { return };
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let mut score = Score::default();
    for (name, bytes) in files(&folder.join("eml")) {
        let expected = expected[&name].as_array().cloned().unwrap_or_default();
        score.add(&expected, &bytes);
    }
    let Score { files: count, reports, compared, same_status, same_fate } = score;
    println!(
        "email-bounces: {count} mails read, {reports} with a report, {compared} compared: \
         {same_status} with the same code, {same_fate} with the same fate"
    );
    assert!(count > 200 && compared > 100);
    assert!(same_status * 100 >= compared * 80, "{same_status} of {compared}");
    assert!(same_fate * 100 >= compared * 70, "{same_fate} of {compared}");
    let innocent = files(&folder.join("not-a-bounce"));
    let taken = innocent.iter().filter(|(_, bytes)| {
        MessageParser::default()
            .parse(bytes.as_slice())
            .is_some_and(|mail| bounce::report(&mail).is_some())
    });
    println!("not-a-bounce: {} mails read, {} with a report", innocent.len(), taken.count());
}
