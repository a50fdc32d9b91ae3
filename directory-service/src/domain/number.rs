//! Numbers of extension attributes.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// The largest whole number of which JSON numbers hold every smaller one, too (RFC 7493 §2.2).
pub const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A finite number; there is one zero. It may be personal: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Number(f64);

/// Without NaN every number equals itself.
impl Eq for Number {}

/// There is one zero, so numbers that are equal have the same bits.
impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Number {
    /// This number, if it is finite.
    pub fn new(number: f64) -> Option<Self> {
        // Adding 0 makes a zero of a negative zero, and leaves everything else as it is.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether it is a whole number from -(2^53 - 1) to 2^53 - 1.
    pub fn is_integer(self) -> bool {
        self.0.fract() == 0.0 && self.0.abs() <= MAX_INTEGER
    }

    /// A text of 16 characters; the texts of numbers are in the order of the numbers. So no database reads a number.
    pub fn key(self) -> String {
        let bits = self.0.to_bits();
        let negative = bits >> 63 == 1;
        let ordered = if negative { !bits } else { bits | 1 << 63 };
        format!("{ordered:016x}")
    }
}

/// A number that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is not finite")]
pub struct NotFinite;

impl TryFrom<f64> for Number {
    type Error = NotFinite;

    fn try_from(number: f64) -> Result<Self, NotFinite> {
        Self::new(number).ok_or(NotFinite)
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: f64) -> Number {
        Number::new(number).unwrap()
    }

    #[test]
    fn a_number_is_finite_and_zero_has_no_sign() {
        for refused in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number::new(refused), None);
        }
        assert_eq!(number(-0.0).key(), number(0.0).key());
    }

    #[test]
    fn integers_are_those_that_every_json_reader_holds() {
        for integer in [0.0, -1.0, MAX_INTEGER, -MAX_INTEGER] {
            assert!(number(integer).is_integer(), "{integer}");
        }
        for other in [0.5, MAX_INTEGER + 1.0, 1e300, f64::MIN_POSITIVE] {
            assert!(!number(other).is_integer(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_the_numbers(one in proptest::num::f64::NORMAL, other in proptest::num::f64::ANY) {
            let (one, Some(other)) = (number(one), Number::new(other)) else { return Ok(()) };

            prop_assert_eq!(one.key().cmp(&other.key()), one.get().partial_cmp(&other.get()).unwrap());
        }

        #[test]
        fn a_number_survives_being_written_as_json(any in proptest::num::f64::ANY) {
            let Some(number) = Number::new(any) else { return Ok(()) };

            let json = serde_json::to_string(&number).unwrap();

            prop_assert_eq!(serde_json::from_str::<Number>(&json).unwrap(), number);
        }
    }
}
