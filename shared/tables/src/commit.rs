//! The id of a commit: the hash of a table's format and bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use relevo_shared::dataset::TableFormat;
use sha2::{Digest, Sha256};

use crate::inspect::ParquetInspector;
use crate::{Description, TableError};

const CHUNK_BYTES: usize = 1 << 20;

/// Takes a table's bytes and gives the id of its commit. The same bytes read in another way are another table, so the
/// format's name goes before them.
pub fn commit_hash(format: TableFormat) -> Sha256 {
    Sha256::new_with_prefix(format!("{}\n", format.as_str()))
}

/// Describes a Parquet file of one's own and gives the id of its commit, hex digits in lower case. Unlike an upload, what was
/// computed may have no rows.
pub fn identify(parquet: &Path) -> Result<(Description, String), TableError> {
    let mut file = File::open(parquet)?;
    let (mut hash, mut inspector) = (commit_hash(TableFormat::Parquet), ParquetInspector::default());
    let (mut chunk, mut bytes) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        inspector.push(&chunk[..count]);
        bytes += count as u64;
    }
    let description = match inspector.finish(bytes) {
        Err(TableError::FooterBeyondTail { from, to }) => {
            let mut footer = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut footer)?;
            crate::inspect::describe_footer(&footer, to)
        }
        described => described,
    };
    Ok((description?, hex::encode(hash.finalize())))
}
