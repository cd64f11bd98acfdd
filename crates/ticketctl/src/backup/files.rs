//! The files of one collection: its documents in sequence as BSON, and its options and indexes as JSON.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::CollectionSummary;

/// MongoDB's limit of 16 MiB, plus its own overhead.
const MAX_DOCUMENT_BYTES: usize = 17 << 20;

/// Limits of a batch that is inserted at once.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_DOCUMENTS: usize = 1_000;

/// The definition of a collection.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    /// The options of the command `create`.
    pub(crate) options: Document,
    /// The indexes in the form of the command `createIndexes`.
    pub(crate) indexes: Vec<Document>,
}

fn file_of(directory: &Path, path: &str, extension: &str) -> PathBuf {
    directory.join(format!("{path}.{extension}"))
}

/// Writes the metadata of `database/collection`.
pub(crate) fn write_metadata(directory: &Path, path: &str, metadata: &Metadata) -> Result<()> {
    let file = File::create(file_of(directory, path, "metadata.json.gz"))?;
    let mut gzip = GzEncoder::new(file, Compression::default());
    serde_json::to_writer(&mut gzip, metadata)?;
    gzip.finish()?.sync_all()?;
    Ok(())
}

pub(crate) fn read_metadata(directory: &Path, path: &str) -> Result<Metadata> {
    let read = || {
        let file = File::open(file_of(directory, path, "metadata.json.gz"))?;
        anyhow::Ok(serde_json::from_reader(BufReader::new(GzDecoder::new(file)))?)
    };
    read().with_context(|| format!("the metadata of {path} can't be read"))
}

/// Counts documents and computes their checksum.
#[derive(Default)]
struct Summarizer {
    digest: Sha256,
    summary: CollectionSummary,
}

impl Summarizer {
    fn add(&mut self, document: &[u8]) {
        self.digest.update(document);
        self.summary.documents += 1;
        self.summary.bytes += document.len() as u64;
    }

    fn finish(self) -> CollectionSummary {
        CollectionSummary { sha256: hex::encode(self.digest.finalize()), ..self.summary }
    }
}

/// Writes the documents of `database/collection`.
pub(crate) struct Writer {
    gzip: GzEncoder<BufWriter<File>>,
    summarizer: Summarizer,
}

impl Writer {
    pub(crate) fn create(directory: &Path, path: &str) -> Result<Self> {
        let file = file_of(directory, path, "bson.gz");
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = BufWriter::new(File::create(&file).with_context(|| format!("writing {}", file.display()))?);
        // The database snapshot is held open during the backup, so speed matters more than size.
        Ok(Self { gzip: GzEncoder::new(file, Compression::fast()), summarizer: Summarizer::default() })
    }

    pub(crate) fn write(&mut self, document: &RawDocument) -> Result<()> {
        self.gzip.write_all(document.as_bytes())?;
        self.summarizer.add(document.as_bytes());
        Ok(())
    }

    /// Syncs the file to disk and returns its summary.
    pub(crate) fn finish(self) -> Result<CollectionSummary> {
        self.gzip.finish()?.into_inner()?.sync_all()?;
        Ok(self.summarizer.finish())
    }
}

pub(crate) struct Reader {
    gzip: BufReader<GzDecoder<File>>,
    summarizer: Summarizer,
}

impl Reader {
    pub(crate) fn open(directory: &Path, path: &str) -> Result<Self> {
        let file = File::open(file_of(directory, path, "bson.gz")).with_context(|| format!("{path} can't be read"))?;
        let gzip = BufReader::with_capacity(1 << 20, GzDecoder::new(file));
        Ok(Self { gzip, summarizer: Summarizer::default() })
    }

    /// The next document; `None` at the end.
    fn next(&mut self) -> Result<Option<RawDocumentBuf>> {
        let mut length = [0; 4];
        match self.gzip.read(&mut length[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.next(),
            Err(error) => return Err(error.into()),
        }
        self.gzip.read_exact(&mut length[1..])?;
        let size = usize::try_from(i32::from_le_bytes(length))?;
        ensure!((5..=MAX_DOCUMENT_BYTES).contains(&size), "a document has the invalid size of {size} bytes");
        let mut bytes = vec![0; size];
        let (head, tail) = bytes.split_at_mut(length.len());
        head.copy_from_slice(&length);
        self.gzip.read_exact(tail)?;
        self.summarizer.add(&bytes);
        Ok(Some(RawDocumentBuf::from_bytes(bytes)?))
    }

    /// The next documents, some megabytes in total; none at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Vec<RawDocumentBuf>> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH_BYTES && batch.len() < BATCH_DOCUMENTS {
            let Some(document) = self.next()? else { break };
            size += document.as_bytes().len();
            batch.push(document);
        }
        Ok(batch)
    }
}

/// Reads the whole file of `database/collection` and compares it with the summary in the manifest.
pub(crate) fn verify_documents(directory: &Path, path: &str, expected: &CollectionSummary) -> Result<()> {
    let mut reader = Reader::open(directory, path)?;
    while reader.next()?.is_some() {}
    let actual = reader.summarizer.finish();
    ensure!(
        actual == *expected,
        "checksum mismatch: the file has {} documents, the manifest {}",
        actual.documents,
        expected.documents
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, rawdoc};

    use super::*;

    fn written(directory: &Path) -> CollectionSummary {
        let mut writer = Writer::create(directory, "orders/orders").unwrap();
        for number in 0..100 {
            writer.write(&rawdoc! { "_id": number, "text": "x".repeat(1000) }).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(directory: &Path, expected: &CollectionSummary) -> Result<()> {
        verify_documents(directory, "orders/orders", expected)
    }

    #[test]
    fn documents_and_metadata_round_trip() {
        let directory = tempfile::tempdir().unwrap();
        let collection = written(directory.path());
        assert_eq!(collection.documents, 100);
        read(directory.path(), &collection).unwrap();
        let metadata = Metadata {
            options: doc! {},
            indexes: vec![doc! { "key": { "a": 1 }, "name": "a_v1", "expireAfterSeconds": 0, "unique": true }],
        };
        write_metadata(directory.path(), "orders/orders", &metadata).unwrap();
        let indexes = read_metadata(directory.path(), "orders/orders").unwrap().indexes;
        assert_eq!(indexes[0].get_document("key").unwrap().keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(indexes[0].get_str("name").unwrap(), "a_v1");
    }

    #[test]
    fn truncated_or_altered_file_is_detected() {
        let directory = tempfile::tempdir().unwrap();
        let collection = written(directory.path());
        let file = directory.path().join("orders/orders.bson.gz");
        let complete = std::fs::read(&file).unwrap();
        std::fs::write(&file, &complete[..complete.len() / 2]).unwrap();
        assert!(read(directory.path(), &collection).is_err());
        std::fs::write(&file, &complete).unwrap();
        assert!(read(directory.path(), &CollectionSummary { documents: 101, ..collection.clone() }).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(read(directory.path(), &collection).is_err());
    }
}
