//! Cleans a comment for the model, and takes its words for counting. Pure text in, text out.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// A comment at each stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comment {
    /// As it stands in the table; several columns are joined.
    pub raw: String,
    /// Cleaned, case kept: what the model reads.
    pub clean: String,
    /// Lower-cased words of the cleaned text, separated by a space: what tf-idf counts.
    pub words: String,
    /// Whether it says enough to be read at all.
    pub has_text: bool,
}

impl Comment {
    /// Runs one text through all stages. A text of fewer than `min_tokens` tokens counts as none.
    #[must_use]
    pub fn new(raw: String, normalize: bool, min_tokens: usize) -> Self {
        let clean = if normalize { clean(&raw) } else { raw.trim().to_owned() };
        let has_text = min_tokens <= spoken_tokens(&clean);
        Self { words: words(&clean), clean, raw, has_text }
    }
}

/// Trims, replaces what identifies people or places on the net by placeholders, and collapses white space.
#[must_use]
pub fn clean(text: &str) -> String {
    let text = URL.replace_all(text, "<URL>");
    let text = EMAIL.replace_all(&text, "<EMAIL>");
    let text = PHONE.replace_all(&text, |found: &Captures<'_>| phone_or_number(&found[0]));
    let text = MENTION.replace_all(&text, "${before}<MENTION>");
    let text = HASHTAG.replace_all(&text, "${before}<HASHTAG_${tag}>");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lower-cased words of a cleaned text, separated by a space.
#[must_use]
pub fn words(clean: &str) -> String {
    let lower = clean.to_lowercase();
    let words: Vec<&str> = WORD.find_iter(&lower).map(|word| word.as_str()).collect();
    words.join(" ")
}

/// Tokens between white space that say something: a letter, a digit or a pictogram, not punctuation alone.
fn spoken_tokens(clean: &str) -> usize {
    clean.split_whitespace().filter(|token| SPOKEN.is_match(token)).count()
}

/// A run of digits is a phone number when it has as many digits as one (ITU-T E.164: at most 15) and is not a date
/// or a span of years.
fn phone_or_number(found: &str) -> Cow<'static, str> {
    let digits = found.bytes().filter(u8::is_ascii_digit).count();
    if (7..=15).contains(&digits) && !DATE.is_match(found) {
        Cow::Borrowed("<PHONE>")
    } else {
        Cow::Owned(found.to_owned())
    }
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this file are constants that its tests compile")
}

// The last character of an address is never the punctuation that ends a sentence.
static URL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)\b(?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?()\[\]{}'…»”]/?"#));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"));
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\b\d{2,15}(?:[ .-]\d{2,4}){0,5}\b"));
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:(?:19|20)\d\d[ .-](?:19|20)\d\d|(?:19|20)\d\d[ .-]\d\d[ .-]\d\d|\d\d[ .-]\d\d[ .-](?:19|20)\d\d)$")
});
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?P<before>^|[^\w@<])@\w+"));
// `#1` is a rank, not a hashtag: one letter at least.
static HASHTAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?P<before>^|[^\w#&])#(?P<tag>\w*\p{L}\w*)"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\w+"));
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}\p{So}]"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identifies_becomes_a_placeholder() {
        for (raw, expected) in [
            ("  Muy\tbueno\n\n el   curso ", "Muy bueno el curso"),
            ("mira https://uni.edu.co/a?b=1#c, gracias", "mira <URL>, gracias"),
            ("(ver www.uni.edu/notas)", "(ver <URL>)"),
            ("escriba a ana.maria+x@uni.edu.co.", "escriba a <EMAIL>."),
            ("al 300 123 4567 o al +57 (601) 555-1234", "al <PHONE> o al <PHONE>"),
            ("cel 3001234567!", "cel <PHONE>!"),
            ("gracias @profe_luis y @ana", "gracias <MENTION> y <MENTION>"),
            ("@profe gracias", "<MENTION> gracias"),
            ("#MejorProfe del año, #top10", "<HASHTAG_MejorProfe> del año, <HASHTAG_top10>"),
        ] {
            assert_eq!(clean(raw), expected);
        }
    }

    #[test]
    fn numbers_that_are_no_phones_stay() {
        for text in
            ["el #1 de 2023-2024", "el 2024-05-12", "el 12-05-2024", "nota 4.5 de 5", "hay 30 alumnos", "100 000"]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn case_is_kept_for_the_model_and_dropped_for_counting() {
        let comment = Comment::new("El Curso de ÁLGEBRA!".to_owned(), true, 1);

        assert_eq!(comment.clean, "El Curso de ÁLGEBRA!");
        assert_eq!(comment.words, "el curso de álgebra");
    }

    #[test]
    fn text_of_punctuation_alone_is_no_text() {
        for (raw, min_tokens, has_text) in [
            ("", 1, false),
            ("  \u{a0} ", 1, false),
            ("... - ¡!", 1, false),
            ("👍", 1, true),
            ("bien", 1, true),
            ("bien", 2, false),
            ("muy bien", 2, true),
        ] {
            assert_eq!(Comment::new(raw.to_owned(), true, min_tokens).has_text, has_text, "{raw:?}");
        }
    }

    #[test]
    fn without_normalizing_only_the_ends_are_trimmed() {
        let comment = Comment::new(" a  @b ".to_owned(), false, 1);

        assert_eq!(comment.clean, "a  @b");
    }
}
