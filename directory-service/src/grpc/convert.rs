//! What several services convert: times, page sizes, field masks, and the answer to a page.

use directory_proto::v1 as proto;
use prost::Message;
use prost_types::{FieldMask, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::directory::DirectoryError;
use crate::domain::Invalid;
use crate::domain::page::{Page, PageRequest};
use crate::page_token::{PageTokenError, PageTokens, Question};

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// Microseconds as a message.
pub(super) fn timestamp(us: i64) -> Timestamp {
    let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).expect("less than a second of nanoseconds");
    Timestamp {
        seconds: us.div_euclid(1_000_000),
        nanos,
    }
}

/// A message as microseconds; what is finer is cut off.
pub(super) fn micros(field: &str, time: &Timestamp) -> Result<i64, Invalid> {
    i64::try_from(nanos(field, time)?.div_euclid(1_000)).map_err(|_| Invalid::new(field, "is out of range"))
}

/// A message as nanoseconds.
pub(super) fn nanos(field: &str, time: &Timestamp) -> Result<i128, Invalid> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(Invalid::new(field, "must have nanos of 0 to 999,999,999"));
    }
    Ok(i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}

/// How many resources a page of `size` holds: 0 stands for the default.
pub(super) fn page_size(size: i32) -> Result<u32, Invalid> {
    page_size_within(size, DEFAULT_PAGE, MAX_PAGE)
}

/// The same with other bounds.
pub(super) fn page_size_within(size: i32, default: u32, most: u32) -> Result<u32, Invalid> {
    match u32::try_from(size) {
        Ok(0) => Ok(default),
        Ok(size) if size <= most => Ok(size),
        Ok(_) | Err(_) => Err(Invalid::new("page_size", format!("must be 1 to {most}, or 0"))),
    }
}

/// The fields of a list request that say which page is wanted.
pub(super) struct PageFields {
    pub page_size: i32,
    pub page_token: String,
    pub skip: i64,
    pub include_total_size: bool,
}

impl PageFields {
    /// The page that is wanted of the list that `question` asks for.
    pub fn request(self, tokens: &PageTokens, question: &Question) -> Result<PageRequest, DirectoryError> {
        let only_total = self.page_size < 0;
        let size = if only_total { 0 } else { page_size(self.page_size)? };
        let skip = u64::try_from(self.skip).map_err(|_| Invalid::new("skip", "must not be negative"))?;
        if skip > 0 && !self.page_token.is_empty() {
            return Err(Invalid::new("skip", "must not stand beside a page token").into());
        }
        let after = open(tokens, question, &self.page_token)?;
        Ok(PageRequest {
            size,
            skip,
            after,
            total: self.include_total_size || only_total,
        })
    }
}

/// The position in a page token; none in an empty one, which asks for the first page.
pub(super) fn open<T: DeserializeOwned>(
    tokens: &PageTokens,
    question: &Question,
    token: &str,
) -> Result<Option<T>, DirectoryError> {
    if token.is_empty() {
        return Ok(None);
    }
    tokens.open(question, token).map(Some).map_err(|why| match why {
        PageTokenError::Invalid => DirectoryError::InvalidPageToken,
        PageTokenError::Expired => DirectoryError::PageTokenExpired,
    })
}

/// The token of the page at a position; empty where there is none.
pub(super) fn seal<T: Serialize>(tokens: &PageTokens, question: &Question, position: Option<&T>) -> String {
    position
        .map(|position| tokens.seal(question, position))
        .unwrap_or_default()
}

/// The messages of a page, as many as fit into an answer.
pub(super) fn fitting<T, M: Message>(page: Page<T>, to_wire: impl FnMut(T) -> M) -> Page<M> {
    let mut page = page.map(to_wire);
    page.fit(M::encoded_len);
    page
}

/// The bytes of a filter and an order: what a page token is bound to beside its list.
pub(super) fn bind(question: Question, filter: Option<&proto::Filter>, order: Option<&proto::Order>) -> Question {
    question.with(&encode(filter)).with(&encode(order))
}

/// An absent message is not an empty one.
pub(super) fn encode<M: Message>(message: Option<&M>) -> Vec<u8> {
    message
        .map(|message| [&[1], message.encode_to_vec().as_slice()].concat())
        .unwrap_or_default()
}

/// Which fields of a user are wanted; an empty mask wants all.
pub(super) struct ReadMask(Vec<String>);

impl ReadMask {
    /// Checks a mask.
    pub fn of(mask: Option<FieldMask>, known: &[&str]) -> Result<Self, Invalid> {
        let paths = mask.unwrap_or_default().paths;
        if paths.iter().any(|path| !known.contains(&path.as_str())) {
            return Err(Invalid::new("read_mask", "must name top-level fields only"));
        }
        Ok(Self(paths))
    }

    /// Whether it wants a field.
    pub fn wants(&self, field: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|path| path == field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_have_nanos_that_count_forward() {
        for (us, seconds, nanos) in [(0, 0, 0), (-1, -1, 999_999_000), (1_500_000, 1, 500_000_000)] {
            let time = timestamp(us);
            assert_eq!((time.seconds, time.nanos), (seconds, nanos));
            assert_eq!(micros("time", &time), Ok(us));
        }
        let refused = Invalid::new("time", "must have nanos of 0 to 999,999,999");
        assert_eq!(micros("time", &Timestamp { seconds: 0, nanos: -1 }), Err(refused));
        let refused = Invalid::new("time", "is out of range");
        assert_eq!(
            micros(
                "time",
                &Timestamp {
                    seconds: i64::MAX,
                    nanos: 0
                }
            ),
            Err(refused)
        );
    }

    #[test]
    fn an_offset_may_be_any_number_but_a_negative_one() {
        let request = |skip| {
            let fields = PageFields {
                page_size: 1,
                page_token: String::new(),
                skip,
                include_total_size: false,
            };
            let question = Question::new("users", None, crate::domain::token::Scopes::OPERATOR);
            fields
                .request(&PageTokens::for_tests(), &question)
                .map(|page| page.skip)
        };

        assert_eq!(request(i64::MAX).unwrap(), i64::MAX as u64);
        assert_eq!(request(-1).unwrap_err().to_string(), "skip must not be negative");
    }

    #[test]
    fn page_sizes_have_a_default_and_a_bound() {
        assert_eq!(page_size(0), Ok(100));
        assert_eq!(page_size(1_000), Ok(1_000));
        for refused in [-1, 1_001] {
            assert_eq!(
                page_size(refused),
                Err(Invalid::new("page_size", "must be 1 to 1000, or 0"))
            );
        }
    }
}
