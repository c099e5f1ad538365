//! One object into one file, taken up again where it broke off.

use std::{io, path::Path};

use aws_sdk_s3::{Client, error::DisplayErrorContext, primitives::ByteStream};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter},
};

use super::{
    Address, disk_fault,
    refusal::{refusal, unreachable},
};
use crate::skills::SkillError;

/// How often a body may break off.
const BREAKS: u32 = 4;
/// Writes to the disk are at least this large.
const BUFFER: usize = 1 << 20;

/// What the first answer said of the object; later ones must be about the same.
struct Whole {
    bytes: u64,
    etag: Option<String>,
}

/// Writes the object into `to` and gives its length, which was checked.
pub(super) async fn download(client: &Client, address: &Address, to: &Path) -> Result<u64, SkillError> {
    let file = File::create(to).await.map_err(|fault| disk_fault(to, &fault))?;
    let mut file = BufWriter::with_capacity(BUFFER, file);
    let (mut written, mut breaks, mut damaged) = (0, 0, false);
    let mut whole: Option<Whole> = None;
    loop {
        let mut get = client.get_object().bucket(&address.bucket).key(&address.key);
        if let Some(whole) = &whole {
            get = get.set_if_match(whole.etag.clone());
            if written > 0 {
                get = get.range(format!("bytes={written}-"));
            }
        }
        let answer = get.send().await.map_err(|fault| refusal(&fault, address))?;
        let length = answer.content_length().and_then(|bytes| u64::try_from(bytes).ok());
        let length = length.ok_or_else(|| unreachable(address, &"the answer tells no length"))?;
        let whole = whole.get_or_insert(Whole { bytes: length, etag: answer.e_tag });

        let broken = match copy(answer.body, &mut file, to, &mut written).await? {
            Some(reason) => reason,
            None if written == whole.bytes => break,
            None => format!("{written} of {} bytes came", whole.bytes),
        };
        breaks += 1;
        if breaks > BREAKS || written > whole.bytes {
            return Err(unreachable(address, &broken));
        }
        if written == whole.bytes {
            // All bytes came, and their checksum is another: nothing says which of them are wrong, and on the way they are hardly so twice.
            if damaged {
                return Err(SkillError::Permanent(format!("{address} is damaged where it lies: {broken}")));
            }
            damaged = true;
            begin_anew(&mut file).await.map_err(|fault| disk_fault(to, &fault))?;
            written = 0;
        }
    }
    file.flush().await.map_err(|fault| disk_fault(to, &fault))?;
    Ok(written)
}

async fn begin_anew(file: &mut BufWriter<File>) -> io::Result<()> {
    file.rewind().await?;
    file.get_ref().set_len(0).await
}

/// Appends a body to the file; tells why it broke off, when it did.
async fn copy(
    mut body: ByteStream,
    file: &mut BufWriter<File>,
    to: &Path,
    written: &mut u64,
) -> Result<Option<String>, SkillError> {
    loop {
        match body.next().await {
            None => return Ok(None),
            Some(Err(fault)) => return Ok(Some(DisplayErrorContext(fault).to_string())),
            Some(Ok(chunk)) => {
                file.write_all(&chunk).await.map_err(|fault| disk_fault(to, &fault))?;
                *written += chunk.len() as u64;
            }
        }
    }
}
