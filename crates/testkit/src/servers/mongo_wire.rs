//! A minimal client of MongoDB's wire protocol (`OP_MSG`) that initiates a replica set and asks its members for their
//! state.
//!
//! # Why
//! The full driver takes longer to build than any other dependency, and xtask must be built before
//! everything else. Six commands are enough here.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::{Document, doc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OP_MSG: i32 = 2013;
/// An upper bound: responses to the commands below have a few kilobytes at most.
const MAX_RESPONSE: usize = 1 << 20;

/// Runs one command on the database `admin` of the server at 127.0.0.1.
async fn command(port: u16, mut command: Document) -> Result<Document> {
    command.insert("$db", "admin");
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&request(&command)?).await?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let length = usize::try_from(i32::from_le_bytes(length))?;
        // At least the 21 bytes before the body, and an empty document of 5.
        if !(26..MAX_RESPONSE).contains(&length) {
            bail!("a response of {length} bytes");
        }
        let mut response = vec![0; length - 4];
        stream.read_exact(&mut response).await?;
        // The length is followed by three header fields, the flags and the kind of section.
        let body = response.get(17..).context("a response without a body")?;
        Ok(Document::from_reader(body)?)
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await.context("no response within 10 s")?
}

/// The message: its length, request id, the request that it responds to, and opcode; then flags and one section of kind
/// 0, the body. The first five are four bytes each, the kind is one.
fn request(command: &Document) -> Result<Vec<u8>> {
    let body = command.to_vec()?;
    let mut message = Vec::with_capacity(body.len() + 21);
    message.extend(i32::try_from(body.len() + 21)?.to_le_bytes());
    for number in [1, 0, OP_MSG, 0] {
        message.extend(i32::to_le_bytes(number));
    }
    message.push(0);
    message.extend(body);
    Ok(message)
}

/// Initiates a replica set of these members (`host:port`), of which this server is the first. Fails until all of
/// them are reachable; does nothing if the set is already initiated.
pub(super) async fn initiate(port: u16, members: &[String]) -> Result<()> {
    let members: Vec<_> = (0_i32..).zip(members).map(|(id, host)| doc! { "_id": id, "host": host }).collect();
    let response = command(port, doc! { "replSetInitiate": { "_id": "rs0", "members": members } }).await?;
    // 23: AlreadyInitialized.
    let is_done = response.get_i32("code").is_ok_and(|code| code == 23) || !response.contains_key("errmsg");
    if is_done { Ok(()) } else { bail!("replSetInitiate: {response}") }
}

/// Whether the server accepts writes.
pub(super) async fn is_primary(port: u16) -> Result<bool> {
    Ok(hello(port).await?.get_bool("isWritablePrimary").unwrap_or(false))
}

/// Whether the server is a readable member of a replica set: primary or secondary.
pub(super) async fn is_member(port: u16) -> Result<bool> {
    let hello = hello(port).await?;
    Ok(["isWritablePrimary", "secondary"].iter().any(|role| hello.get_bool(role).unwrap_or(false)))
}

/// What a member knows about its replica set.
#[derive(Debug, Clone, Copy)]
pub struct MemberStatus {
    /// Whether the member is the primary, unless it has been deposed without knowing it.
    pub is_primary: bool,
    /// The number of the last election.
    pub term: i64,
    /// The term of the newest write that a majority has.
    pub committed_term: i64,
    /// The member's own newest write: its term, second and number within the second. A later write compares greater.
    pub applied: (i64, u32, u32),
}

/// The status of a member of a replica set.
pub(super) async fn status(port: u16) -> Result<MemberStatus> {
    let status = command(port, doc! { "replSetGetStatus": 1 }).await?;
    let optimes = status.get_document("optimes")?;
    let applied = optimes.get_document("appliedOpTime")?;
    let written = applied.get_timestamp("ts")?;
    Ok(MemberStatus {
        // 1: PRIMARY.
        is_primary: status.get_i32("myState")? == 1,
        term: status.get_i64("term")?,
        committed_term: optimes.get_document("lastCommittedOpTime")?.get_i64("t")?,
        applied: (applied.get_i64("t")?, written.time, written.increment),
    })
}

/// Writes a checkpoint.
pub(super) async fn checkpoint(port: u16) -> Result<()> {
    let response = command(port, doc! { "fsync": 1 }).await?;
    if response.contains_key("errmsg") {
        bail!("fsync: {response}")
    }
    Ok(())
}

async fn hello(port: u16) -> Result<Document> {
    command(port, doc! { "hello": 1 }).await
}

/// Makes the server the primary of a replica set of one, and reconfigures a set that was created on
/// another port. Returns true once the server is primary.
pub(super) async fn become_primary(port: u16) -> Result<bool> {
    if is_primary(port).await? {
        return Ok(true);
    }
    let member = format!("127.0.0.1:{port}");
    let config = command(port, doc! { "replSetGetConfig": 1 }).await?;
    let Ok(current) = config.get_document("config") else {
        // The server rejects the command while it is still starting; the caller retries.
        initiate(port, &[member]).await?;
        return Ok(false);
    };
    let host = current.get_array("members").ok().and_then(|all| all.first()?.as_document()?.get_str("host").ok());
    if host != Some(member.as_str()) {
        let version = current.get_i32("version").unwrap_or(1) + 1;
        let mut moved = current.clone();
        moved.insert("version", version);
        moved.insert("members", vec![doc! { "_id": 0, "host": member }]);
        command(port, doc! { "replSetReconfig": moved, "force": true }).await?;
    }
    Ok(false)
}
