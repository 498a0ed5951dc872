//! Shows a flow.

use std::path::Path;

use super::outline::{graphs, mermaid, outline};
use crate::source::Source;
use crate::{Answer, Trouble};

pub(super) fn run(file: &Path, as_mermaid: bool) -> Result<Answer, Trouble> {
    let source = Source::read(file)?;
    let graphs = graphs(&source.value);
    let text = if as_mermaid { mermaid(&graphs) } else { outline(&graphs) };
    Ok(Answer { text, ..Answer::default() })
}
