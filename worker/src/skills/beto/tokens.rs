//! Turns cleaned texts into token numbers with the model's own tokenizer.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use tokenizers::{
    AddedToken, Tokenizer, TruncationParams, models::wordpiece::WordPiece, normalizers::BertNormalizer,
    pre_tokenizers::bert::BertPreTokenizer, processors::bert::BertProcessing,
};

use super::fault::ModelFault;

/// The tokens of one text, special tokens included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Their numbers.
    pub ids: Vec<u32>,
    /// Whether the text was longer than the limit.
    pub truncated: bool,
}

/// A model's tokenizer.
#[derive(Debug, Clone)]
pub struct BertTokenizer(Tokenizer);

/// What is read of `tokenizer_config.json`; the defaults are those of `BertTokenizer` in transformers.
#[derive(Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

impl BertTokenizer {
    /// Reads the tokenizer of a model folder: `tokenizer.json`, else `vocab.txt` with `tokenizer_config.json` and
    /// `added_tokens.json` where they are there.
    ///
    /// # Errors
    /// When there is none, or its files do not hold what they should.
    pub fn read(folder: &Path) -> Result<Self, ModelFault> {
        if folder.join("tokenizer.json").is_file() {
            let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
                .map_err(|e| ModelFault::file("tokenizer.json", e))?;
            return Ok(Self(tokenizer));
        }
        if !folder.join("vocab.txt").is_file() {
            return Err(ModelFault::NoTokenizer);
        }
        from_vocabulary(folder).map(Self)
    }

    /// The tokens of each text, in order, at most `max_length` each.
    ///
    /// # Errors
    /// When the tokenizer refuses; a well-formed one never does.
    pub fn encode(&self, texts: &[&str], max_length: usize) -> Result<Vec<Tokens>, ModelFault> {
        let mut tokenizer = self.0.clone();
        let truncation = TruncationParams { max_length, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| ModelFault::file("tokenizer", e))?;
        tokenizer.with_padding(None);
        let encodings =
            tokenizer.encode_batch_fast(texts.to_vec(), true).map_err(|e| ModelFault::file("tokenizer", e))?;
        Ok(encodings
            .into_iter()
            .map(|e| Tokens { truncated: !e.get_overflowing().is_empty(), ids: e.get_ids().to_vec() })
            .collect())
    }
}

fn from_vocabulary(folder: &Path) -> Result<Tokenizer, ModelFault> {
    let config: TokenizerConfig = read_json(folder, "tokenizer_config.json")?.unwrap_or_default();
    let bytes = std::fs::read(folder.join("vocab.txt")).map_err(|e| ModelFault::file("vocab.txt", e))?;
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(|e| ModelFault::file("vocab.txt", e))?;
    let pieces = WordPiece::builder().vocab(vocabulary).build().map_err(|e| ModelFault::file("vocab.txt", e))?;
    let mut tokenizer = Tokenizer::new(pieces);
    let special = |tokenizer: &Tokenizer, token: &str| {
        let id = tokenizer.token_to_id(token);
        id.map(|id| (token.to_owned(), id)).ok_or_else(|| ModelFault::file("vocab.txt", format!("it lacks {token}")))
    };
    let template = BertProcessing::new(special(&tokenizer, "[SEP]")?, special(&tokenizer, "[CLS]")?);
    let normalizer =
        BertNormalizer::new(true, config.tokenize_chinese_chars, config.strip_accents, config.do_lower_case);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|e| ModelFault::file("tokenizer_config.json", e))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(template));
    let names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let in_vocabulary = names.into_iter().filter(|name| tokenizer.token_to_id(name).is_some());
    let tokens: Vec<AddedToken> = in_vocabulary.map(|name| AddedToken::from(name, true)).collect();
    tokenizer.add_special_tokens(tokens).map_err(|e| ModelFault::file("vocab.txt", e))?;
    let added: BTreeMap<String, u32> = read_json(folder, "added_tokens.json")?.unwrap_or_default();
    let mut added: Vec<(u32, String)> = added.into_iter().map(|(token, id)| (id, token)).collect();
    added.sort_unstable();
    for (id, token) in added {
        tokenizer
            .add_tokens([AddedToken::from(token.as_str(), false)])
            .map_err(|e| ModelFault::file("added_tokens.json", e))?;
        if tokenizer.token_to_id(&token) != Some(id) {
            return Err(ModelFault::file("added_tokens.json", format!("{token} cannot have the number {id}")));
        }
    }
    Ok(tokenizer)
}

fn read_json<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, ModelFault> {
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| ModelFault::file(name, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelFault::file(name, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nel\ncurso\nCurso\nbuen\n##o\n##ísimo\n.\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn ids(files: &[(&str, &str)], text: &str) -> Vec<u32> {
        let tokenizer = BertTokenizer::read(folder(files).path()).unwrap();
        tokenizer.encode(&[text], 16).unwrap().remove(0).ids
    }

    #[test]
    fn cased_and_uncased_vocabularies_differ() {
        let cased = r#"{"do_lower_case": false}"#;

        assert_eq!(ids(&[("vocab.txt", VOCABULARY)], "el Curso."), [2, 5, 6, 11, 3]);
        assert_eq!(ids(&[("vocab.txt", VOCABULARY), ("tokenizer_config.json", cased)], "el Curso."), [2, 5, 7, 11, 3]);
        assert_eq!(ids(&[("vocab.txt", VOCABULARY), ("tokenizer_config.json", cased)], "buenísimo"), [2, 8, 10, 3]);
        assert_eq!(ids(&[("vocab.txt", VOCABULARY)], "buenísimo"), [2, 1, 3]);
    }

    #[test]
    fn special_tokens_in_the_text_are_taken_as_such() {
        assert_eq!(ids(&[("vocab.txt", VOCABULARY)], "el [MASK]"), [2, 5, 4, 3]);
    }

    #[test]
    fn added_tokens_stay_whole() {
        let added = [("vocab.txt", VOCABULARY), ("added_tokens.json", r#"{"@usuario": 12}"#)];

        assert_eq!(ids(&added, "el @usuario"), [2, 5, 12, 3]);
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let tokenizer = BertTokenizer::read(folder(&[("vocab.txt", VOCABULARY)]).path()).unwrap();

        let tokens = tokenizer.encode(&["el el el", "el el", ""], 4).unwrap();

        let expected = [(vec![2, 5, 5, 3], true), (vec![2, 5, 5, 3], false), (vec![2, 3], false)];
        assert_eq!(tokens.into_iter().map(|t| (t.ids, t.truncated)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_folder_without_a_tokenizer_is_refused() {
        assert!(matches!(BertTokenizer::read(folder(&[]).path()), Err(ModelFault::NoTokenizer)));
        let lacking = BertTokenizer::read(folder(&[("vocab.txt", "[UNK]\nel\n")]).path());
        assert!(lacking.unwrap_err().to_string().contains("[SEP]"));
    }
}
