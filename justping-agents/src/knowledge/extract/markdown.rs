//! Markdown, as CommonMark has it, with tables.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Document, Writer, collapse, html};

pub(super) fn read(text: &str) -> Document {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_STRIKETHROUGH;
    let mut reader = Reader::default();
    Parser::new_ext(text, options).for_each(|event| reader.hear(event));
    reader.flush();
    reader.writer.document
}

#[derive(Debug, Default)]
struct Reader {
    writer: Writer,
    open: String,
    /// The heading that is being read.
    heading: Option<u8>,
    in_code: bool,
    in_metadata: bool,
    html: String,
}

impl Reader {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(_) if self.in_metadata => {}
            Event::Text(text) | Event::Code(text) => self.open.push_str(&text),
            Event::Html(text) => self.html.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.open.push(' '),
            Event::Rule => self.flush(),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(*level as u8);
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.in_code = true;
            }
            Tag::MetadataBlock(_) => self.in_metadata = true,
            Tag::Paragraph | Tag::Item | Tag::Table(_) | Tag::TableRow | Tag::TableHead => {
                self.flush();
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let level = self.heading.take().unwrap_or(1);
                let text = std::mem::take(&mut self.open);
                self.writer.heading(level, &text);
            }
            TagEnd::MetadataBlock(_) => self.in_metadata = false,
            TagEnd::TableCell => self.open.push_str(" | "),
            TagEnd::HtmlBlock => self.html(),
            TagEnd::Paragraph
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::TableRow
            | TagEnd::TableHead
            | TagEnd::List(_) => self.flush(),
            _ => {}
        }
    }

    fn html(&mut self) {
        self.flush();
        for block in html::read(&std::mem::take(&mut self.html)).blocks {
            self.writer.block(None, &block.text);
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.open);
        if std::mem::take(&mut self.in_code) {
            self.writer.block(None, &text);
        } else {
            self.writer.block(None, collapse(&text).trim_end_matches(" |"));
        }
    }
}
