//! Where something stands in a file.
//!
//! The reader of YAML, of which JSON is a part, says where an error is. So the way to what is looked
//! for is followed, and there an error is made.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A place in a text; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Finds what a JSON pointer (RFC 6901) names; what is not there is where it should be.
pub(crate) fn place(text: &str, pointer: &str) -> Option<Place> {
    let names = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    let mut names: Vec<String> = names.collect();
    loop {
        let deserializer = serde_yaml_ng::Deserializer::from_str(text);
        let error = Seek(&names).deserialize(deserializer).err();
        if let Some(location) = error.and_then(|error| error.location()) {
            return Some(Place { line: location.line(), column: location.column() });
        }
        names.pop()?;
    }
}

/// Follows names to a value, and fails there.
struct Seek<'n>(&'n [String]);

const HERE: &str = "here";

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! leaves {
    ($($visit:ident: $kind:ty),*) => {$(
        fn $visit<E: Error>(self, _: $kind) -> Result<(), E> {
            self.leaf()
        }
    )*};
}

impl Seek<'_> {
    /// A value without parts: it is the one looked for, or the way ends.
    fn leaf<E: Error>(self) -> Result<(), E> {
        if self.0.is_empty() { Err(E::custom(HERE)) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(A::Error::custom(HERE)) };
        let mut index = 0_usize;
        let wanted = first.parse::<usize>().ok();
        loop {
            let more = if wanted == Some(index) {
                items.next_element_seed(Seek(rest))?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(A::Error::custom(HERE)) };
        while let Some(name) = members.next_key::<String>()? {
            if name == *first {
                members.next_value_seed(Seek(rest))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_json_and_yaml() {
        let json = "{\n  \"nodes\": [\n    {\"id\": \"a\"},\n\t{\"id\": 7, \"a/b\": null}\n  ]\n}";
        let yaml = "nodes:\n  - id: a\n  - id: 7\n    a/b:\n";
        for (text, pointer, at) in [
            (json, "", (1, 1)),
            (json, "/nodes", (2, 12)),
            (json, "/nodes/0/id", (3, 12)),
            (json, "/nodes/1", (4, 2)),
            (json, "/nodes/1/id", (4, 9)),
            (json, "/nodes/1/a~1b", (4, 19)),
            (json, "/nodes/1/missing/deeper", (4, 2)),
            (json, "/nodes/9", (2, 12)),
            (yaml, "/nodes/0", (2, 5)),
            (yaml, "/nodes/1/id", (3, 9)),
            (yaml, "/nodes/1/gone", (3, 5)),
        ] {
            let (line, column) = at;
            assert_eq!(place(text, pointer), Some(Place { line, column }), "{pointer}");
        }
        assert_eq!(place("[", ""), Some(Place { line: 1, column: 1 }));
    }
}
