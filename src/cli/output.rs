//! Plain aligned text or JSON on standard output, one line of complaint on standard error.

use std::io::{self, Write as _};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::CliError;

/// Writes an answer to standard output. Whoever closed it early (`| head`) has read enough.
pub(super) fn answer(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// The same as JSON, for programs.
pub(super) fn answer_json<T: Serialize + ?Sized>(value: &T) -> Result<(), CliError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| CliError::Output(error.into()))?;
    text.push('\n');
    answer(&text)
}

/// One line on standard error, whatever line breaks the causes bring along.
pub(super) fn complain(error: &CliError) {
    let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "signoff: {line}");
}

/// Rows under a heading, in columns as wide as their widest cell. Control characters, which
/// could come from a peer and would speak to the terminal, are replaced.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<[String; N]> =
        std::iter::once(&heading).chain(rows).map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter().fold(String::new(), |mut text, row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        text
    })
}

/// One fact per line: names to the left, values aligned.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        let line = format!("{name:width$}  {}", printable(value));
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// An instant, to the second.
pub(super) fn instant(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Text whose lines stay, while other control characters are replaced.
pub(super) fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".into(), "long cell".into()], ["longer".into(), String::new()]];
        assert_eq!(table(["X", "Y"], &rows), "X       Y\na       long cell\nlonger\n");
    }

    #[test]
    fn what_a_peer_wrote_does_not_speak_to_the_terminal() {
        let rows = [["\u{1b}[2J\nx".into()]];
        assert_eq!(table(["X"], &rows), "X\n\u{fffd}[2J\u{fffd}x\n");
        assert_eq!(facts(&[("a", "b\r".into())]), "a  b\u{fffd}\n");
    }
}
