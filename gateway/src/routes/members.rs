//! Answers that show groups, alone or in a list that may hold users too. Members are read page by page and written to the
//! answer as they come, so that memory stays flat. A failure on the way breaks the connection off: such an answer never ends like a whole one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use directory_proto::v1;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::response;
use crate::scim::error::ScimError;
use crate::scim::list::ListHead;
use crate::scim::projection::Projection;
use crate::scim::schema::{ResourceKind, ResourceType};
use crate::translate;
use crate::translate::link::BaseUrl;
use crate::upstream::TenantDirectory;

/// Pieces of an answer are about this large.
const PIECE_BYTES: usize = 64 * 1024;
/// How long a caller may leave a piece unread before we give up on it.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A resource of a list that is about to be written.
pub enum Listed {
    /// It is all there.
    Whole(Value),
    /// A group, whose members are read when its turn comes.
    Group(v1::Group),
}

/// How one caller sees groups in one answer.
pub struct Shown {
    /// Where members are read.
    pub directory: TenantDirectory,
    /// What the caller wants to see.
    pub projection: Projection,
    /// What references begin with.
    pub base: BaseUrl,
}

impl Shown {
    /// One group. Its first page of members is read before the answer begins, so that most failures are a plain error.
    pub async fn one(self, status: StatusCode, group: v1::Group) -> Result<Response, ScimError> {
        if !self.projection.wants("members") {
            return Ok(self.without_members(status, group));
        }
        let (version, url) = (group.version, self.base.group(&group.id));
        let id = group.id.clone();
        let first = self.directory.list_members(&id, "").await?;
        let head = self.head(group);
        let body = pieces(async move |mut answer| {
            self.write_group(&mut answer, &head, &id, first).await?;
            Ok(answer)
        });
        Ok(response::showing(response::with_body(status, body), &url, version))
    }

    /// One group whose members are not wanted, or that has none.
    pub fn without_members(&self, status: StatusCode, group: v1::Group) -> Response {
        let (version, url) = (group.version, self.base.group(&group.id));
        response::showing(response::scim(status, &self.head(group)), &url, version)
    }

    /// A list with groups in it.
    pub fn list(self, head: &ListHead, items: Vec<Listed>) -> Response {
        let has_groups = items.iter().any(|item| matches!(item, Listed::Group(_)));
        if !has_groups || !self.projection.wants("members") {
            let resources = items.into_iter().map(|item| match item {
                Listed::Whole(resource) => resource,
                Listed::Group(group) => self.head(group),
            });
            return response::scim(StatusCode::OK, &head.with(resources.collect()));
        }
        let frame = head.to_json();
        let body = pieces(async move |mut answer| {
            self.write_list(&mut answer, &frame, items).await?;
            Ok(answer)
        });
        response::with_body(StatusCode::OK, body)
    }

    fn resource_type(&self) -> &Arc<ResourceType> {
        self.directory.resource_type(ResourceKind::Group)
    }

    /// A group without its members.
    fn head(&self, group: v1::Group) -> Value {
        self.projection
            .apply(translate::group::to_scim(group, self.resource_type(), &self.base))
    }

    async fn write_list(&self, answer: &mut Answer, frame: &Value, items: Vec<Listed>) -> Result<(), Cut> {
        answer.open(frame, "Resources").await?;
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                answer.write(",").await?;
            }
            match item {
                Listed::Whole(resource) => answer.write(&resource.to_string()).await?,
                Listed::Group(group) => self.write_listed_group(answer, group).await?,
            }
        }
        answer.write("]}").await
    }

    async fn write_listed_group(&self, answer: &mut Answer, group: v1::Group) -> Result<(), Cut> {
        let id = group.id.clone();
        let head = self.head(group);
        match self.directory.list_members(&id, "").await {
            Ok(first) => self.write_group(answer, &head, &id, first).await,
            // Deleted since it was listed: it has no members.
            Err(error) if error.status == StatusCode::NOT_FOUND.as_u16() => answer.write(&head.to_string()).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn write_group(
        &self,
        answer: &mut Answer,
        head: &Value,
        id: &str,
        first: v1::ListMembersResponse,
    ) -> Result<(), Cut> {
        if first.members.is_empty() {
            return answer.write(&head.to_string()).await;
        }
        answer.open(head, "members").await?;
        let mut separator = "";
        let mut page = first;
        loop {
            for member in self.elements(page.members) {
                answer.write(separator).await?;
                answer.write(&member.to_string()).await?;
                separator = ",";
            }
            if page.next_page_token.is_empty() {
                return answer.write("]}").await;
            }
            page = self.directory.list_members(id, &page.next_page_token).await?;
        }
    }

    /// Members as the projection shows them.
    fn elements(&self, members: Vec<v1::Member>) -> Vec<Value> {
        let mut piece = self.projection.apply(translate::group::members_to_scim(
            members,
            self.resource_type(),
            &self.base,
        ));
        match piece.get_mut("members").map(Value::take) {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(), // nothing of a member is wanted
        }
    }
}

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the directory failed while an answer was written: {0}")]
    Directory(#[from] ScimError),
    #[error("the caller is gone, or does not read")]
    Unread,
}

/// An answer that is being written.
struct Answer {
    pieces: mpsc::Sender<Option<Bytes>>,
    buffer: Vec<u8>,
}

impl Answer {
    async fn write(&mut self, text: &str) -> Result<(), Cut> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() < PIECE_BYTES {
            Ok(())
        } else {
            self.flush().await
        }
    }

    /// Writes an object up to the first element of one more attribute, a list.
    async fn open(&mut self, object: &Value, list: &str) -> Result<(), Cut> {
        let text = object.to_string();
        let members = text.strip_suffix('}').unwrap_or(&text);
        self.write(members).await?;
        let comma = if members.len() > 1 { "," } else { "" };
        self.write(&format!("{comma}\"{list}\":[")).await
    }

    async fn flush(&mut self) -> Result<(), Cut> {
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.send(Some(piece)).await
    }

    async fn finish(mut self) -> Result<(), Cut> {
        self.flush().await?;
        self.send(None).await
    }

    async fn send(&mut self, piece: Option<Bytes>) -> Result<(), Cut> {
        self.pieces
            .send_timeout(piece, UNREAD_TIMEOUT)
            .await
            .map_err(|_| Cut::Unread)
    }
}

/// A body that `write` fills. It ends well only if `write` does.
fn pieces<F>(write: impl FnOnce(Answer) -> F) -> Body
where
    F: Future<Output = Result<Answer, Cut>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(2);
    let writing = write(Answer {
        pieces: sender,
        buffer: Vec::new(),
    });
    let task = async move {
        let written = match writing.await {
            Ok(answer) => answer.finish().await,
            Err(cut) => Err(cut),
        };
        match written {
            Ok(()) => {}
            Err(Cut::Unread) => tracing::debug!("the caller left before the answer was complete"),
            Err(cut @ Cut::Directory(_)) => {
                tracing::warn!(error = &cut as &dyn std::error::Error, "broke an answer off")
            }
        }
    };
    tokio::spawn(task.in_current_span());
    let pieces = stream::unfold(receiver, async |mut receiver| match receiver.recv().await {
        Some(Some(piece)) => Some((Ok(piece), receiver)),
        Some(None) => None,
        None => Some((Err(std::io::Error::other("the answer is incomplete")), receiver)),
    });
    // Compression asks again after the end.
    Body::from_stream(pieces.fuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_may_be_asked_again_after_its_end() {
        let body = pieces(async |mut answer: Answer| {
            answer.write("{}").await?;
            Ok(answer)
        });

        let mut data = body.into_data_stream();

        assert_eq!(data.next().await.unwrap().unwrap(), "{}");
        assert!(data.next().await.is_none());
        assert!(data.next().await.is_none());
    }
}
