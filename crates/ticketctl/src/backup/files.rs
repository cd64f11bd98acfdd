//! One collection's files: its documents one after the other as BSON, and what it is made with as JSON.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Collection;

/// MongoDB's limit, and room for what it adds itself.
const LARGEST: usize = 17 << 20;

/// What a collection is made with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    /// The options of the command `create`.
    pub(crate) options: Document,
    /// Its indexes, as the command `createIndexes` takes them.
    pub(crate) indexes: Vec<Document>,
}

fn file_of(folder: &Path, path: &str, end: &str) -> PathBuf {
    folder.join(format!("{path}.{end}"))
}

/// Writes the metadata of `database/collection`.
pub(crate) fn write_metadata(folder: &Path, path: &str, metadata: &Metadata) -> Result<()> {
    let file = File::create(file_of(folder, path, "metadata.json.gz"))?;
    let mut gzip = GzEncoder::new(file, Compression::default());
    serde_json::to_writer(&mut gzip, metadata)?;
    gzip.finish()?.sync_all()?;
    Ok(())
}

/// Reads it.
pub(crate) fn read_metadata(folder: &Path, path: &str) -> Result<Metadata> {
    let read = || {
        let file = File::open(file_of(folder, path, "metadata.json.gz"))?;
        anyhow::Ok(serde_json::from_reader(BufReader::new(GzDecoder::new(file)))?)
    };
    read().with_context(|| format!("the metadata of {path} can't be read"))
}

/// Writes the documents of `database/collection`.
pub(crate) struct Writer {
    gzip: GzEncoder<BufWriter<File>>,
    digest: Sha256,
    written: Collection,
}

impl Writer {
    pub(crate) fn create(folder: &Path, path: &str) -> Result<Self> {
        let file = file_of(folder, path, "bson.gz");
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = BufWriter::new(File::create(&file).with_context(|| format!("writing {}", file.display()))?);
        // The snapshot is held open meanwhile: fast matters more than small.
        Ok(Self {
            gzip: GzEncoder::new(file, Compression::fast()),
            digest: Sha256::new(),
            written: Collection::default(),
        })
    }

    pub(crate) fn write(&mut self, document: &RawDocument) -> Result<()> {
        self.gzip.write_all(document.as_bytes())?;
        self.digest.update(document.as_bytes());
        self.written.documents += 1;
        self.written.bytes += document.as_bytes().len() as u64;
        Ok(())
    }

    /// What was written is on the disk.
    pub(crate) fn finish(self) -> Result<Collection> {
        let file = self.gzip.finish()?.into_inner()?;
        file.sync_all()?;
        Ok(Collection { sha256: hex::encode(self.digest.finalize()), ..self.written })
    }
}

/// Reads the documents of `database/collection` one after the other; at the end says how many they were.
pub(crate) struct Reader {
    gzip: BufReader<GzDecoder<File>>,
    digest: Sha256,
    read: Collection,
}

impl Reader {
    pub(crate) fn open(folder: &Path, path: &str) -> Result<Self> {
        let file = File::open(file_of(folder, path, "bson.gz")).with_context(|| format!("{path} can't be read"))?;
        Ok(Self {
            gzip: BufReader::with_capacity(1 << 20, GzDecoder::new(file)),
            digest: Sha256::new(),
            read: Collection::default(),
        })
    }

    /// The next document; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RawDocumentBuf>> {
        let mut length = [0; 4];
        match self.gzip.read(&mut length[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.next(),
            Err(error) => return Err(error.into()),
        }
        self.gzip.read_exact(&mut length[1..])?;
        let size = usize::try_from(i32::from_le_bytes(length))?;
        if !(5..=LARGEST).contains(&size) {
            bail!("a document has {size} bytes");
        }
        let mut bytes = vec![0; size];
        let (head, tail) = bytes.split_at_mut(length.len());
        head.copy_from_slice(&length);
        self.gzip.read_exact(tail)?;
        self.digest.update(&bytes);
        self.read.documents += 1;
        self.read.bytes += size as u64;
        Ok(Some(RawDocumentBuf::from_bytes(bytes)?))
    }

    /// Ends with an error when what was read to the end is not what the manifest says.
    pub(crate) fn ensure_is(self, expected: &Collection) -> Result<()> {
        let read = Collection { sha256: hex::encode(self.digest.finalize()), ..self.read };
        ensure!(
            read == *expected,
            "it has {} documents of {} written, or they were changed",
            read.documents,
            expected.documents
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, rawdoc};

    use super::*;

    fn written(folder: &Path) -> Collection {
        let mut writer = Writer::create(folder, "orders/orders").unwrap();
        for number in 0..100 {
            writer.write(&rawdoc! { "_id": number, "text": "x".repeat(1000) }).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(folder: &Path, expected: &Collection) -> Result<u64> {
        let mut reader = Reader::open(folder, "orders/orders")?;
        let mut count = 0;
        while reader.next()?.is_some() {
            count += 1;
        }
        reader.ensure_is(expected)?;
        Ok(count)
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let collection = written(folder.path());
        assert_eq!(read(folder.path(), &collection).unwrap(), 100);
        let metadata = Metadata {
            options: doc! {},
            indexes: vec![doc! { "key": { "a": 1 }, "name": "a_v1", "expireAfterSeconds": 0, "unique": true }],
        };
        write_metadata(folder.path(), "orders/orders", &metadata).unwrap();
        let indexes = read_metadata(folder.path(), "orders/orders").unwrap().indexes;
        assert_eq!(indexes[0].get_document("key").unwrap().keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(indexes[0].get_str("name").unwrap(), "a_v1");
    }

    #[test]
    fn a_file_that_is_cut_off_or_changed_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let collection = written(folder.path());
        let file = folder.path().join("orders/orders.bson.gz");
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(read(folder.path(), &collection).is_err());
        std::fs::write(&file, &whole).unwrap();
        assert!(read(folder.path(), &Collection { documents: 101, ..collection.clone() }).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(read(folder.path(), &collection).is_err());
    }
}
