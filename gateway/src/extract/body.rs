//! The body of a request: what it must be called, how it may be packed, how large it may be, alone (here) and together with
//! those of other requests (`memory.rs`), and how long it may take.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::header::{parameter, split};
use super::json;
use super::memory::{BodyRoom, Held, NoRoom};
use crate::error::try_again;
use crate::scim::error::ScimError;

/// The largest body of a request, unpacked: a group with 100,000 members fits.
pub const BODY_BYTES: usize = 16 * 1024 * 1024;

/// How much of a body is taken before it is looked how large it has become: in gzip, 1 KiB can be 1 MiB.
const UNPACKED_AT_ONCE: usize = 1024;

/// How long a body may take; in the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub struct BodyTime {
    /// Without a further byte.
    pub silence: Duration,
    /// From the first byte to the last.
    pub whole: Duration,
}

impl Default for BodyTime {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(20),
            whole: Duration::from_secs(45),
        }
    }
}

/// A JSON body of at most `BYTES` bytes.
pub struct ScimJson<const BYTES: usize = BODY_BYTES>(pub Value);

impl<const BYTES: usize, S: Send + Sync> FromRequest<S> for ScimJson<BYTES> {
    type Rejection = BodyError;

    async fn from_request(request: Request, _: &S) -> Result<Self, BodyError> {
        let (parts, body) = request.into_parts();
        check_media_type(&parts.headers)?;
        let coding = Coding::of(&parts.headers)?;
        let announced = announced_bytes(&parts.headers);
        if announced > BYTES {
            return Err(BodyError::TooLarge(BYTES));
        }
        // None for an operation of a bulk request: the whole has it.
        let room = parts.extensions.get::<BodyRoom>();
        let mut text_room = room.map(BodyRoom::text);
        if let Some(text_room) = &mut text_room {
            text_room.grow_to(announced).await?;
        }
        let time = parts.extensions.get().copied().unwrap_or_default();
        let unpacking = Unpacking::new(coding, BYTES, announced);
        let unpacked = unpacking.read(body, time, text_room.as_mut()).await?;
        if let Some(room) = room {
            room.take_values(unpacked.len()).await?;
        }
        json::parse(&unpacked).map(Self).map_err(BodyError::Syntax)
    }
}

/// Why a body is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is called something else than JSON in UTF-8.
    MediaType(&'static str),
    /// It is packed in a way that we cannot unpack.
    Coding,
    /// It is not what its coding says.
    BrokenCoding,
    /// It has more bytes than this.
    TooLarge(usize),
    /// It does not come, or comes too slowly.
    TooSlow,
    /// Other large bodies take all the memory that there is for them.
    NoRoom,
    /// The caller left.
    BrokenOff,
    /// It is no JSON.
    Syntax(ScimError),
}

impl From<NoRoom> for BodyError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

impl From<BodyError> for ScimError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::MediaType(detail) => Self::new(415, detail),
            BodyError::Coding => Self::new(
                415,
                "The Content-Encoding is not one that is read here: send the body as it is, or in gzip, once.",
            ),
            BodyError::BrokenCoding => {
                Self::invalid_syntax("The body is not in gzip, as its Content-Encoding says, or it breaks off.")
            }
            BodyError::TooLarge(bytes) => Self::new(
                413,
                format!(
                    "The body is larger, unpacked, than the {} MiB that this request may have; send less at once.",
                    bytes / (1024 * 1024)
                ),
            ),
            BodyError::TooSlow => Self::new(
                408,
                "The body did not arrive in time: send the request again, and its body without a pause.",
            ),
            BodyError::NoRoom => try_again(
                5,
                "Too many large requests are being worked on: send the request again, or less in it.",
            ),
            BodyError::BrokenOff => Self::invalid_syntax("The body ended before it was complete."),
            BodyError::Syntax(error) => error,
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        // Each 415 says what would do, and nothing else (RFC 9110 §12.5.3).
        let hint = match &self {
            Self::MediaType(_) => Some((ACCEPT, "application/scim+json, application/json")),
            Self::Coding => Some((ACCEPT_ENCODING, "gzip")),
            Self::BrokenCoding
            | Self::TooLarge(_)
            | Self::TooSlow
            | Self::NoRoom
            | Self::BrokenOff
            | Self::Syntax(_) => None,
        };
        let mut response = ScimError::from(self).into_response();
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A missing content type is taken for JSON: there is nothing else that it could be.
fn check_media_type(headers: &HeaderMap) -> Result<(), BodyError> {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let Some(line) = lines.next() else { return Ok(()) };
    if lines.next().is_some() {
        return Err(BodyError::MediaType("Send one Content-Type header, not several."));
    }
    let mut parts = split(line.to_str().unwrap_or_default(), ';');
    let essence = parts.next().unwrap_or_default();
    if !["application/scim+json", "application/json"]
        .iter()
        .any(|ours| essence.eq_ignore_ascii_case(ours))
    {
        return Err(BodyError::MediaType(
            "Send the body as application/scim+json or application/json.",
        ));
    }
    let mut charsets = parts
        .filter_map(parameter)
        .filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    if charsets.all(|(_, charset)| ["utf-8", "utf8"].iter().any(|ours| charset.eq_ignore_ascii_case(ours))) {
        Ok(())
    } else {
        Err(BodyError::MediaType("Send the body in UTF-8, as charset=utf-8."))
    }
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut found = Self::Identity;
        for line in headers.get_all(CONTENT_ENCODING) {
            for coding in split(line.to_str().map_err(|_| BodyError::Coding)?, ',') {
                match coding.to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    // RFC 9110 §8.4.1.3 wants both to be known.
                    "gzip" | "x-gzip" if found == Self::Identity => found = Self::Gzip,
                    _ => return Err(BodyError::Coding),
                }
            }
        }
        Ok(found)
    }
}

/// What the header says about the length; the body itself is counted all the same.
fn announced_bytes(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A body on its way in. What is unpacked never exceeds the bound, however little it was on the wire.
enum Unpacking {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Unpacking {
    /// `announced` is how long the body is said to be, packed.
    fn new(coding: Coding, bytes: usize, announced: usize) -> Self {
        let bounded = Bounded {
            read: Vec::with_capacity(announced),
            bytes,
            is_full: false,
        };
        match coding {
            Coding::Identity => Self::Identity(bounded),
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(bounded))),
        }
    }

    async fn read(mut self, body: Body, time: BodyTime, mut room: Option<&mut Held>) -> Result<Vec<u8>, BodyError> {
        let mut pieces = body.into_data_stream();
        let end = Instant::now() + time.whole;
        loop {
            let until = end.min(Instant::now() + time.silence);
            let piece = timeout_at(until, pieces.next()).await;
            match piece.map_err(|_| BodyError::TooSlow)? {
                Some(piece) => {
                    for part in piece.map_err(|_| BodyError::BrokenOff)?.chunks(UNPACKED_AT_ONCE) {
                        self.take(part)?;
                        if let Some(room) = &mut room {
                            room.grow_to(self.capacity()).await?;
                        }
                    }
                }
                None => return self.finish(),
            }
        }
    }

    /// How much memory what was read so far takes: more than was announced, if that was nothing or is in gzip.
    fn capacity(&self) -> usize {
        match self {
            Self::Identity(bounded) => bounded.read.capacity(),
            Self::Gzip(decoder) => decoder.get_ref().read.capacity(),
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let (taken, bounded) = match self {
            Self::Identity(bounded) => (bounded.write_all(piece), bounded),
            Self::Gzip(decoder) => (decoder.write_all(piece), decoder.get_mut()),
        };
        match taken {
            Err(_) if bounded.is_full => Err(BodyError::TooLarge(bounded.bytes)),
            taken => taken.map_err(|_| BodyError::BrokenCoding),
        }
    }

    fn finish(self) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Identity(bounded) => Ok(bounded.read),
            Self::Gzip(mut decoder) => match decoder.try_finish() {
                Err(_) if decoder.get_ref().is_full => Err(BodyError::TooLarge(decoder.get_ref().bytes)),
                Err(_) => Err(BodyError::BrokenCoding),
                Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().read)),
            },
        }
    }
}

/// Bytes, and no more of them than may be.
struct Bounded {
    read: Vec<u8>,
    bytes: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.bytes - self.read.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.read.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;
    use crate::extract::BodyMemory;

    const MIB: usize = 1024 * 1024;

    async fn read<const BYTES: usize>(
        headers: &[(http::HeaderName, &str)],
        body: impl Into<Body>,
    ) -> Result<Value, BodyError> {
        let mut request = Request::new(body.into());
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        ScimJson::<BYTES>::from_request(request, &())
            .await
            .map(|ScimJson(value)| value)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn json_is_taken_under_every_name_that_scim_clients_use() {
        for content_type in [
            "application/scim+json; charset=utf-8",
            "application/scim+json;charset=\"UTF-8\"",
            "application/json; profile=\"a;charset=latin1\" ; Charset=UTF8",
            "Application/JSON",
            "application/scim+json;",
            "application/scim+json",
        ] {
            let answer = read::<MIB>(&[(CONTENT_TYPE, content_type)], "{\"a\":1}").await;
            assert_eq!(answer, Ok(json!({"a": 1})), "{content_type}");
        }
        assert_eq!(read::<MIB>(&[], "{\"a\":1}").await, Ok(json!({"a": 1})));
    }

    #[tokio::test]
    async fn other_content_types_and_charsets_are_415_and_named_what_would_do() {
        for lines in [
            &["text/plain"][..],
            &[""],
            &["application/json-patch+json"],
            &["application/xml, application/json"],
            &["application/json; charset=utf-16"],
            &["application/scim+json; charset=\"iso-8859-1\""],
            &["application/json; charset=utf-8; charset=latin1"],
            &["application/json", "application/json"],
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (CONTENT_TYPE, *line)).collect();
            let refused = read::<MIB>(&headers, "{}").await.unwrap_err().into_response();

            assert_eq!(refused.status(), 415, "{lines:?}");
            assert_eq!(refused.headers()[ACCEPT], "application/scim+json, application/json");
            assert!(!refused.headers().contains_key(ACCEPT_ENCODING));
        }
    }

    #[tokio::test]
    async fn gzip_is_unpacked_under_each_of_its_names_and_in_several_members() {
        for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip", "gzip,"] {
            let answer = read::<MIB>(&[(CONTENT_ENCODING, coding)], gzip(b"{\"a\":1}")).await;
            assert_eq!(answer, Ok(json!({"a": 1})), "{coding}");
        }
        let members = [gzip(b"{\"a\""), gzip(b":1}")].concat();
        assert_eq!(
            read::<MIB>(&[(CONTENT_ENCODING, "gzip")], members).await,
            Ok(json!({"a": 1}))
        );
        assert_eq!(
            read::<MIB>(&[(CONTENT_ENCODING, "identity")], "[]").await,
            Ok(json!([]))
        );
    }

    #[tokio::test]
    async fn other_codings_are_415_and_named_what_would_do() {
        for lines in [
            &["br"][..],
            &["deflate"],
            &["gzip, gzip"],
            &["gzip", "x-gzip"],
            &["zip"],
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (CONTENT_ENCODING, *line)).collect();
            let refused = read::<MIB>(&headers, gzip(b"{}")).await.unwrap_err();

            assert_eq!(refused, BodyError::Coding, "{lines:?}");
            let refused = refused.into_response();
            assert_eq!(refused.status(), 415);
            assert_eq!(refused.headers()[ACCEPT_ENCODING], "gzip");
            assert!(!refused.headers().contains_key(ACCEPT));
        }
    }

    #[tokio::test]
    async fn broken_gzip_is_invalid_syntax() {
        let whole = gzip(b"{\"a\":1}");
        let mut wrong_sum = whole.clone();
        wrong_sum[whole.len() - 6] ^= 1;
        let cut = whole[..whole.len() - 1].to_vec();
        let more = [whole, b"more".to_vec()].concat();
        for broken in [b"{\"a\":1}".to_vec(), cut, wrong_sum, more, Vec::new()] {
            let refused = read::<MIB>(&[(CONTENT_ENCODING, "gzip")], broken).await.unwrap_err();
            assert_eq!(refused, BodyError::BrokenCoding);
            assert_eq!(ScimError::from(refused).to_json()["scimType"], "invalidSyntax");
        }
    }

    #[tokio::test]
    async fn the_bound_counts_what_is_unpacked() {
        let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
        let gzipped = [(CONTENT_ENCODING, "gzip")];

        assert!(read::<MIB>(&[], text(MIB)).await.is_ok());
        assert!(read::<MIB>(&gzipped, gzip(text(MIB).as_bytes())).await.is_ok());
        assert_eq!(read::<MIB>(&[], text(MIB + 1)).await, Err(BodyError::TooLarge(MIB)));
        let bomb = gzip(text(64 * MIB).as_bytes());
        assert!(bomb.len() < MIB);
        assert_eq!(read::<MIB>(&gzipped, bomb).await, Err(BodyError::TooLarge(MIB)));
    }

    #[test]
    fn a_bomb_takes_no_memory_beyond_the_bound() {
        let bomb = gzip(&vec![b' '; 64 * MIB]);
        let mut unpacking = Unpacking::new(Coding::Gzip, MIB, bomb.len());

        assert_eq!(unpacking.take(&bomb), Err(BodyError::TooLarge(MIB)));
        let Unpacking::Gzip(decoder) = unpacking else {
            unreachable!()
        };
        assert!(decoder.get_ref().read.capacity() <= 2 * MIB);
    }

    #[tokio::test]
    async fn an_announced_length_beyond_the_bound_is_refused_unread() {
        let unread = Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>());

        let refused = read::<MIB>(&[(CONTENT_LENGTH, "1048577")], unread).await;

        assert_eq!(refused, Err(BodyError::TooLarge(MIB)));
    }

    #[tokio::test]
    async fn a_body_that_stops_or_trickles_is_cut_off() {
        let (silence, whole) = (Duration::from_millis(200), Duration::from_millis(400));
        let silent = Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>());
        let trickling = Body::from_stream(futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
        }));
        for body in [silent, trickling] {
            let mut request = Request::new(body);
            request.extensions_mut().insert(BodyTime { silence, whole });

            let refused = ScimJson::<MIB>::from_request(request, &()).await.err().unwrap();

            assert_eq!(refused, BodyError::TooSlow);
            assert_eq!(refused.into_response().status(), 408);
        }
    }

    #[tokio::test]
    async fn a_large_body_needs_room_for_its_text_and_its_values_whether_announced_or_not() {
        let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2)).into_bytes();
        let large = text(128 * 1024);
        let announced: &[_] = &[(CONTENT_LENGTH, "131072")];
        let gzipped: &[_] = &[(CONTENT_ENCODING, "gzip")];
        let memory = BodyMemory::new(4 * MIB, Duration::ZERO);
        let read = async |headers: &[(http::HeaderName, &str)], body: &[u8]| {
            let mut request = Request::new(Body::from(body.to_vec()));
            for (name, value) in headers {
                request.headers_mut().append(name, value.parse().unwrap());
            }
            request.extensions_mut().insert(memory.for_one());
            ScimJson::<MIB>::from_request(request, &()).await.err()
        };
        for (headers, body, full) in [
            (announced, large.clone(), Some(BodyError::NoRoom)),
            (&[], large.clone(), Some(BodyError::NoRoom)),
            (gzipped, gzip(&large), Some(BodyError::NoRoom)),
            (&[], text(64 * 1024), None),
        ] {
            let other = memory.for_one();
            let mut other_text = other.text();
            assert_eq!(read(headers, &body).await, None, "{headers:?}");

            assert!(other_text.grow_to(4 * MIB).await.is_ok());
            assert_eq!(read(headers, &body).await, full, "{headers:?}");

            drop(other_text);
            assert!(other.take_values(4 * MIB).await.is_ok());
            assert_eq!(read(headers, &body).await, full, "{headers:?}");
        }
        let refused = BodyError::NoRoom.into_response();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (503, &HeaderValue::from(5))
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_invalid_syntax() {
        let broken = Body::from_stream(futures_util::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(io::Error::other("gone")),
        ]));

        assert_eq!(read::<MIB>(&[], broken).await, Err(BodyError::BrokenOff));
    }
}
