//! Tables: a row becomes a block that names each column.

use csv::{ReaderBuilder, Trim};

use super::{
    CSV_COLUMNS_MAX, CSV_ROWS_MAX, Document, ExtractError, TEXT_BYTES_MAX, Writer, collapse,
};

pub(super) fn read(text: &str) -> Result<Document, ExtractError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let malformed = |error: csv::Error| ExtractError::malformed("table", error.to_string());
    let names: Vec<String> = reader.headers().map_err(malformed)?.iter().map(collapse).collect();
    if names.len() > CSV_COLUMNS_MAX {
        return Err(ExtractError::TooMany("columns"));
    }
    let mut writer = Writer::default();
    let mut bytes = 0;
    for (row, number) in reader.into_records().zip(1u32..) {
        let row = row.map_err(malformed)?;
        if number as usize > CSV_ROWS_MAX {
            return Err(ExtractError::TooMany("rows"));
        }
        if row.len() > CSV_COLUMNS_MAX {
            return Err(ExtractError::TooMany("columns"));
        }
        let block = named(&names, &row);
        bytes += block.len();
        if bytes > TEXT_BYTES_MAX {
            return Err(ExtractError::TooLarge);
        }
        writer.block(Some(number), &block);
    }
    Ok(writer.document)
}

/// A row as lines of `name: value`, without the cells that are empty.
fn named(names: &[String], row: &csv::StringRecord) -> String {
    let cells = row.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
    let lines = cells.map(|(at, cell)| match names.get(at).filter(|name| !name.is_empty()) {
        Some(name) => format!("{name}: {cell}"),
        None => cell.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What parts the cells of the first row.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    let candidates = [b'\t', b';', b','];
    // Of as many the last: a comma.
    candidates.into_iter().max_by_key(count).unwrap_or(b',')
}
