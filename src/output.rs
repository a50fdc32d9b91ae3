//! How answers are printed: as a table for people, or as JSON whose names do not change.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, Table, Width, presets};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;

/// How many resources one call asks for at most.
const LARGEST_PAGE: u32 = 1_000;
/// Blanks between two columns.
const GAP: u16 = 2;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people; columns may change.
    Table,
    /// For programs: an array of objects for a list, otherwise an object.
    Json,
}

/// What a list can show.
pub trait Row: Serialize {
    /// The columns of the table.
    const COLUMNS: &[&str];

    /// What stands in them.
    fn cells(&self) -> Vec<String>;
}

/// What can be shown by itself.
pub trait Record: Serialize {
    /// Names and values, one a line; lines without a value are left out.
    fn lines(&self) -> Vec<(&'static str, String)>;
}

/// One page of the directory's answer.
pub struct Page<R> {
    /// What is on it.
    pub rows: Vec<R>,
    /// Asks for the next page; empty on the last one.
    pub next_page_token: String,
}

/// Prints a list page by page as it comes: at most `limit` rows, or all of them if it is 0. `page` is asked with a page
/// size and a page token.
pub async fn list<R: Row>(
    output: Output,
    limit: u32,
    mut page: impl AsyncFnMut(i32, String) -> Result<Page<R>, Failure>,
) -> Result<(), Failure> {
    let mut printer = ListPrinter::new(io::stdout(), output);
    let size = if limit == 0 {
        LARGEST_PAGE
    } else {
        limit.min(LARGEST_PAGE)
    };
    let mut left = if limit == 0 { usize::MAX } else { limit as usize };
    let mut token = String::new();
    let more = loop {
        let mut answer = page(size as i32, token).await?;
        let cut = answer.rows.len() > left;
        answer.rows.truncate(left);
        left -= answer.rows.len();
        printer.page(&answer.rows).map_err(Failure::output)?;
        token = answer.next_page_token;
        if cut || token.is_empty() || left == 0 {
            break cut || !token.is_empty();
        }
    };
    printer.end().map_err(Failure::output)?;
    if more {
        eprintln!("rollcall: there are more than {limit}; --limit 0 lists all");
    }
    Ok(())
}

/// Prints one thing.
pub fn show(output: Output, record: &impl Record) -> Result<(), Failure> {
    show_to(&mut io::stdout().lock(), output, record).map_err(Failure::output)
}

/// Prints that something was done: a sentence, or an object.
pub fn done(output: Output, sentence: &str, json: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match output {
        Output::Table => writeln!(out, "{sentence}"),
        Output::Json => write_json(&mut out, json),
    }
    .map_err(Failure::output)
}

fn show_to(out: &mut impl Write, output: Output, record: &impl Record) -> io::Result<()> {
    match output {
        Output::Json => write_json(out, record),
        Output::Table => {
            let mut table = plain_table();
            for (name, value) in record.lines().into_iter().filter(|(_, value)| !value.is_empty()) {
                table.add_row([name.to_owned(), printable(&value)]);
            }
            set_gaps(&mut table);
            writeln!(out, "{}", table.trim_fmt())
        }
    }
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// A list in the making. Later pages keep at least the widths of the earlier ones.
struct ListPrinter<W> {
    out: W,
    output: Output,
    rows: usize,
    widths: Option<Vec<u16>>,
}

impl<W: Write> ListPrinter<W> {
    fn new(out: W, output: Output) -> Self {
        Self {
            out,
            output,
            rows: 0,
            widths: None,
        }
    }

    fn page<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        match self.output {
            Output::Json => self.json(rows)?,
            Output::Table => self.table(rows)?,
        }
        self.rows += rows.len();
        self.out.flush()
    }

    /// One object a line, so that a long list is readable and can be cut by line tools, too.
    fn json<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        for (index, row) in rows.iter().enumerate() {
            self.out
                .write_all(if self.rows + index == 0 { b"[\n  " } else { b",\n  " })?;
            serde_json::to_writer(&mut self.out, row)?;
        }
        Ok(())
    }

    fn table<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        let mut table = plain_table();
        if self.widths.is_none() {
            table.set_header(R::COLUMNS.iter().copied());
        } else if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            table.add_row(row.cells().iter().map(|cell| {
                if cell.is_empty() {
                    "-".to_owned()
                } else {
                    printable(cell)
                }
            }));
        }
        set_gaps(&mut table);
        let mut widths = table.column_max_content_widths();
        if let Some(before) = &self.widths {
            widths
                .iter_mut()
                .zip(before)
                .for_each(|(width, before)| *width = (*width).max(*before));
            table.set_constraints(
                widths
                    .iter()
                    .map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(GAP)))),
            );
        }
        self.widths = Some(widths);
        writeln!(self.out, "{}", table.trim_fmt())
    }

    fn end(mut self) -> io::Result<()> {
        match (self.output, self.rows) {
            (Output::Json, 0) => writeln!(self.out, "[]"),
            (Output::Json, _) => writeln!(self.out, "\n]"),
            (Output::Table, _) => Ok(()),
        }
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn set_gaps(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
}

/// Directory data is written by others: nothing in it may steer the reader's terminal or break the table.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_bidi_control(c) {
                '\u{FFFD}'
            } else {
                c
            }
        })
        .collect()
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A wire time as RFC 3339 in UTC.
pub fn rfc3339(seconds: i64, nanos: i32) -> String {
    let nanos_since_1970 = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos_since_1970)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s since 1970"))
}

/// The same time, exact to a second, for a table.
pub fn to_the_second(rfc3339: Option<&String>) -> String {
    let text = rfc3339.map_or("", String::as_str);
    match text.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pet {
        pet_name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<&'static str>,
    }

    impl Row for Pet {
        const COLUMNS: &[&str] = &["NAME", "OWNER"];

        fn cells(&self) -> Vec<String> {
            vec![self.pet_name.to_owned(), self.owner.unwrap_or_default().to_owned()]
        }
    }

    impl Record for Pet {
        fn lines(&self) -> Vec<(&'static str, String)> {
            vec![
                ("Name", self.pet_name.to_owned()),
                ("Owner", self.owner.unwrap_or_default().to_owned()),
            ]
        }
    }

    const REX: Pet = Pet {
        pet_name: "Rex",
        owner: Some("Ada"),
    };
    const STRAY: Pet = Pet {
        pet_name: "Bartholomew",
        owner: None,
    };

    fn printed(output: Output, pages: &[&[Pet]]) -> String {
        let mut bytes = Vec::new();
        let mut printer = ListPrinter::new(&mut bytes, output);
        for page in pages {
            printer.page(page).unwrap();
        }
        printer.end().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_list_is_one_array_over_all_pages() {
        assert_eq!(
            printed(Output::Json, &[&[REX, STRAY], &[], &[REX]]),
            "[\n  {\"pet_name\":\"Rex\",\"owner\":\"Ada\"},\n  {\"pet_name\":\"Bartholomew\"},\n  \
             {\"pet_name\":\"Rex\",\"owner\":\"Ada\"}\n]\n"
        );
        assert_eq!(printed(Output::Json, &[&[]]), "[]\n");
    }

    #[test]
    fn a_table_has_one_header_and_later_pages_keep_its_columns() {
        assert_eq!(
            printed(Output::Table, &[&[STRAY], &[REX]]),
            "NAME         OWNER\nBartholomew  -\nRex          Ada\n"
        );
        assert_eq!(printed(Output::Table, &[&[]]), "NAME  OWNER\n");
    }

    #[test]
    fn a_record_leaves_out_what_it_has_not() {
        let mut table = Vec::new();
        show_to(&mut table, Output::Table, &STRAY).unwrap();
        let mut json = Vec::new();
        show_to(&mut json, Output::Json, &REX).unwrap();

        assert_eq!(String::from_utf8(table).unwrap(), "Name  Bartholomew\n");
        assert_eq!(
            String::from_utf8(json).unwrap(),
            "{\n  \"pet_name\": \"Rex\",\n  \"owner\": \"Ada\"\n}\n"
        );
    }

    #[test]
    fn data_cannot_steer_the_terminal() {
        assert_eq!(
            printable("Ada\u{1b}[2J\nBob\u{202e}"),
            "Ada\u{fffd}[2J\u{fffd}Bob\u{fffd}"
        );
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(1_700_000_000, 250_000_000), "2023-11-14T22:13:20.25Z");
        assert_eq!(rfc3339(-1, 0), "1969-12-31T23:59:59Z");
        assert_eq!(
            to_the_second(Some(&"2023-11-14T22:13:20.25Z".to_owned())),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(
            to_the_second(Some(&"2023-11-14T22:13:20Z".to_owned())),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(to_the_second(None), "");
    }
}
