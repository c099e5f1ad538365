//! Says what is wrong with a model's files that no program could load. Pure but for reading them: nothing of a model is computed.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use safetensors::tensor::Metadata;
use serde_json::{Map, Value};

/// No header of a safetensors file is longer, as its format has it.
const LONGEST_HEADER: u64 = 100_000_000;

/// Tells what is wrong with one file.
type Check = fn(&Path) -> io::Result<Option<String>>;

/// What is wrong with the files of a model in this folder, as a sentence's end; none where they may be a model's. What is not there is not
/// looked at.
///
/// # Errors
/// When a file cannot be read.
pub fn fault(folder: &Path) -> io::Result<Option<String>> {
    let checks: [(&str, Check); 3] = [
        ("config.json", config_fault),
        ("model.safetensors", safetensors_fault),
        ("pytorch_model.bin", |file| Ok((file.metadata()?.len() == 0).then(|| "is empty".to_owned()))),
    ];
    for (name, check) in checks {
        let file = folder.join(name);
        if file.exists()
            && let Some(fault) = check(&file)?
        {
            return Ok(Some(format!("{name} {fault}")));
        }
    }
    Ok(None)
}

fn config_fault(file: &Path) -> io::Result<Option<String>> {
    let read = serde_json::from_slice::<Map<String, Value>>(&std::fs::read(file)?);
    Ok(read.err().map(|error| format!("is not a JSON object: {error}")))
}

/// Reads the head of the file only, as its weights may be large.
fn safetensors_fault(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        return Ok(Some("is empty".to_owned()));
    }
    let mut length = [0; 8];
    if bytes < 8 {
        return Ok(Some(format!("is not a safetensors file: it has {bytes} bytes")));
    }
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER.min(bytes - 8) {
        return Ok(Some("is not a safetensors file: it does not begin with the length of a header".to_owned()));
    }
    let header: Result<Metadata, _> = serde_json::from_reader(io::BufReader::new(file.take(length)));
    Ok(match header {
        Err(error) => Some(format!("is not a safetensors file: {error}")),
        Ok(header) if header.data_len() == 0 => Some("holds no weights".to_owned()),
        Ok(header) if header.data_len() as u64 != bytes - 8 - length => {
            let (told, there) = (header.data_len(), bytes - 8 - length);
            Some(format!("is not whole: its header tells of {told} bytes of weights, and there are {there}"))
        }
        Ok(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;

    /// A safetensors file with a header and what follows it.
    fn packed(header: &str, weights: &str) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), weights.as_bytes()].concat()
    }

    fn fault_of(name: &str, content: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        fault(folder.path()).unwrap()
    }

    #[test]
    fn what_may_be_a_model_has_no_fault() {
        for (name, content) in [
            ("config.json", b"{}".to_vec()),
            ("model.safetensors", packed(HEADER, "ww")),
            ("pytorch_model.bin", b"anything".to_vec()),
            ("vocab.txt", Vec::new()),
        ] {
            assert_eq!(fault_of(name, &content), None, "{name}");
        }
    }

    #[test]
    fn a_fault_names_the_file_and_what_is_wrong() {
        for (name, content, told) in [
            ("config.json", Vec::new(), "config.json is not a JSON object: "),
            ("config.json", b"[]".to_vec(), "config.json is not a JSON object: "),
            ("config.json", b"{} {}".to_vec(), "config.json is not a JSON object: "),
            ("pytorch_model.bin", Vec::new(), "pytorch_model.bin is empty"),
            ("model.safetensors", Vec::new(), "model.safetensors is empty"),
            ("model.safetensors", b"weights".to_vec(), "it has 7 bytes"),
            ("model.safetensors", b"these are no weights".to_vec(), "does not begin with the length of a header"),
            ("model.safetensors", packed("[]", ""), "model.safetensors is not a safetensors file: "),
            ("model.safetensors", packed("{}", ""), "model.safetensors holds no weights"),
            ("model.safetensors", packed(HEADER, "w"), "its header tells of 2 bytes of weights, and there are 1"),
            ("model.safetensors", packed(HEADER, "www"), "there are 3"),
        ] {
            let fault = fault_of(name, &content).unwrap();
            assert!(fault.contains(told), "{fault}");
        }
    }
}
