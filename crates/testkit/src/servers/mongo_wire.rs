//! The few words of MongoDB's wire protocol that bring a replica set into being.
//!
//! # Why
//! The full driver is the heaviest build of the workspace, and xtask has to be there before
//! anything else is built. Three commands are all that is needed here.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::{Document, doc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OP_MSG: i32 = 2013;
/// Answers to the commands sent here are some hundred bytes long.
const MAX_ANSWER: usize = 1 << 20;

/// Runs one command on the database `admin` of the server at 127.0.0.1.
pub(super) async fn command(port: u16, mut command: Document) -> Result<Document> {
    command.insert("$db", "admin");
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&request(&command)?).await?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let length = usize::try_from(i32::from_le_bytes(length))?;
        if !(26..MAX_ANSWER).contains(&length) {
            bail!("an answer of {length} bytes");
        }
        let mut answer = vec![0; length - 4];
        stream.read_exact(&mut answer).await?;
        // Behind the length: three numbers of the header, the flags and the kind of section.
        let body = answer.get(17..).context("an answer without a body")?;
        Ok(Document::from_reader(body)?)
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await.context("no answer for 10 s")?
}

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

/// Makes one replica set of these members (`host:port`), whose first this server is. An error until all of them
/// can be reached; done when it was done before.
pub(super) async fn initiate(port: u16, members: &[String]) -> Result<()> {
    let members: Vec<_> = (0_i32..).zip(members).map(|(id, host)| doc! { "_id": id, "host": host }).collect();
    let answer = command(port, doc! { "replSetInitiate": { "_id": "rs0", "members": members } }).await?;
    // 23: it was initiated before.
    let is_done = answer.get_i32("code").is_ok_and(|code| code == 23) || !answer.contains_key("errmsg");
    if is_done { Ok(()) } else { bail!("replSetInitiate: {answer}") }
}

/// Whether the server takes writes.
pub(super) async fn is_primary(port: u16) -> Result<bool> {
    Ok(hello(port).await?.get_bool("isWritablePrimary").unwrap_or(false))
}

/// Whether the server is a member of a replica set with data that can be read: primary or secondary.
pub(super) async fn is_member(port: u16) -> Result<bool> {
    let hello = hello(port).await?;
    Ok(["isWritablePrimary", "secondary"].iter().any(|role| hello.get_bool(role).unwrap_or(false)))
}

async fn hello(port: u16) -> Result<Document> {
    command(port, doc! { "hello": 1 }).await
}

/// Makes the server the primary of a replica set of one, also when its data remember another
/// port. True once it is.
pub(super) async fn become_primary(port: u16) -> Result<bool> {
    if is_primary(port).await? {
        return Ok(true);
    }
    let member = format!("127.0.0.1:{port}");
    let config = command(port, doc! { "replSetGetConfig": 1 }).await?;
    let Ok(known) = config.get_document("config") else {
        let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": member }] };
        // It refuses while it is still starting; the caller asks again.
        command(port, doc! { "replSetInitiate": set }).await?;
        return Ok(false);
    };
    let host = known.get_array("members").ok().and_then(|all| all.first()?.as_document()?.get_str("host").ok());
    if host != Some(member.as_str()) {
        let version = known.get_i32("version").unwrap_or(1) + 1;
        let mut moved = known.clone();
        moved.insert("version", version);
        moved.insert("members", vec![doc! { "_id": 0, "host": member }]);
        command(port, doc! { "replSetReconfig": moved, "force": true }).await?;
    }
    Ok(false)
}
