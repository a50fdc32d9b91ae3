//! How large JSON is where a database stores it: PostgreSQL writes numbers without exponents.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Whether a value has at most so many bytes as JSON without exponents.
pub(super) fn fits(value: &impl Serialize, most: usize) -> bool {
    value
        .serialize(&mut Serializer::with_formatter(Room(most), Expanded))
        .is_ok()
}

/// Numbers as PostgreSQL writes them.
struct Expanded;

impl Formatter for Expanded {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Rust, too, writes no exponent here.
        write!(writer, "{value}")?;
        if value.fract() == 0.0 {
            writer.write_all(b".0")?;
        }
        Ok(())
    }
}

/// Takes so many bytes, keeps none, and fails at the next one.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_count_with_all_their_digits() {
        for (value, bytes) in [
            (json!({"a": "ä", "b": [true, null]}), 26),
            (json!(0.0), 3),
            (json!(-1.5), 4),
            (json!(1e308), 311),
            (json!(5e-324), 326),
        ] {
            assert!(fits(&value, bytes), "{value}");
            assert!(!fits(&value, bytes - 1), "{value}");
        }
    }
}
