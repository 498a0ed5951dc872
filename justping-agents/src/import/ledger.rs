//! Books every element of a source before it is converted, and its fate afterwards.

use std::collections::HashMap;

use super::report::{Element, ElementKind, Report};

/// How an element fared; the worst of what is said about it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Imported,
    Degraded,
    Unsupported,
}

/// The elements of a source.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    elements: Vec<(Element, Option<Fate>)>,
    places: HashMap<String, usize>,
    notes: Vec<String>,
}

impl Ledger {
    /// Books an element; a second one at the same place is the same one.
    pub(super) fn book(&mut self, kind: ElementKind, path: String, id: Option<&str>) {
        if self.places.contains_key(&path) {
            return;
        }
        self.places.insert(path.clone(), self.elements.len());
        let id = id.map(str::to_owned);
        self.elements.push((Element { kind, path, id, became: None, reason: None }, None));
    }

    /// The element means here what it meant there.
    pub(super) fn imported(&mut self, path: &str, became: &str) {
        self.settle(path, Fate::Imported, became, None);
    }

    /// The element means nearly the same.
    pub(super) fn degraded(&mut self, path: &str, became: &str, reason: &str) {
        self.settle(path, Fate::Degraded, became, Some(reason));
    }

    /// The element is gone.
    pub(super) fn unsupported(&mut self, path: &str, reason: &str) {
        self.settle(path, Fate::Unsupported, "", Some(reason));
    }

    /// The element is gone, unless something was said of it before.
    pub(super) fn otherwise(&mut self, path: &str, reason: &str) {
        let known = self.places.get(path).and_then(|at| self.elements.get(*at));
        if known.is_some_and(|(_, fate)| fate.is_none()) {
            self.unsupported(path, reason);
        }
    }

    /// Something about the whole flow.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn settle(&mut self, path: &str, fate: Fate, became: &str, reason: Option<&str>) {
        let place = self.places.get(path).copied();
        let Some((element, known)) = place.and_then(|at| self.elements.get_mut(at)) else { return };
        if !became.is_empty() {
            element.became.get_or_insert_with(|| became.to_owned());
        }
        if let Some(reason) = reason {
            match &mut element.reason {
                Some(said) if said.split("; ").any(|one| one == reason) => {}
                Some(said) => {
                    said.push_str("; ");
                    said.push_str(reason);
                }
                None => element.reason = Some(reason.to_owned()),
            }
        }
        *known = Some(known.map_or(fate, |known| known.max(fate)));
    }

    /// The report. What nobody spoke of shares the fate of what it belongs to when that is gone, and
    /// is unsupported otherwise.
    pub(super) fn report(self) -> Report {
        let Self { elements, places, notes } = self;
        let gone = |path: &str| {
            let mut path = path;
            while let Some((parent, _)) = path.rsplit_once('/') {
                let fate =
                    places.get(parent).and_then(|at| elements.get(*at)).map(|(_, fate)| fate);
                if fate == Some(&Some(Fate::Unsupported)) {
                    return true;
                }
                path = parent;
            }
            false
        };
        let silent = |path: &str| match gone(path) {
            true => "belongs to something that is not supported",
            false => "has no counterpart here",
        };
        let reasons: Vec<Option<&str>> = elements
            .iter()
            .map(|(element, fate)| fate.is_none().then(|| silent(&element.path)))
            .collect();
        let mut report = Report { notes, ..Report::default() };
        for ((mut element, fate), reason) in elements.into_iter().zip(reasons) {
            if let Some(reason) = reason {
                element.reason = Some(reason.to_owned());
            }
            match fate {
                Some(Fate::Imported) => report.imported.push(element),
                Some(Fate::Degraded) => report.degraded.push(element),
                Some(Fate::Unsupported) | None => report.unsupported.push(element),
            }
        }
        report
    }
}
