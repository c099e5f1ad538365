//! From a model's logits to what a row says: probabilities, label, confidence, acceptance. Pure.

use serde::Serialize;

use super::parameters::{BetoMode, EmptyTextPolicy, Parameters};

/// What a comment says of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Negative.
    Neg,
    /// Neutral.
    Neu,
    /// Positive.
    Pos,
    /// There was nothing to read.
    NoText,
}

impl Label {
    /// As it stands in the output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Neu => "neu",
            Self::Pos => "pos",
            Self::NoText => "no_text",
        }
    }
}

/// The verdict on one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Probability of negative, neutral and positive; they sum to 1, or are all 0 where there was no text.
    pub p: [f64; 3],
    /// The most probable label.
    pub label: Label,
    /// Its probability.
    pub confidence: f64,
    /// Whether the row may teach a student model.
    pub accepted: bool,
}

/// When a verdict is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance {
    mode: BetoMode,
    threshold: f64,
    margin: f64,
    neu_min: f64,
}

impl From<&Parameters> for Acceptance {
    fn from(p: &Parameters) -> Self {
        Self { mode: p.beto_mode, threshold: p.threshold, margin: p.margin, neu_min: p.neu_min }
    }
}

impl Acceptance {
    fn accepts(&self, p: [f64; 3], label: Label, top: f64) -> bool {
        if top < self.threshold {
            return false;
        }
        if self.mode == BetoMode::Simple {
            return true;
        }
        let mut ranked = p;
        ranked.sort_by(f64::total_cmp);
        let lead = top - ranked[1];
        self.margin <= lead && (label != Label::Neu || self.neu_min <= p[1])
    }
}

/// The verdict on a text, from its logits in the order negative, neutral, positive.
#[must_use]
pub fn on_text(logits: [f32; 3], acceptance: &Acceptance) -> Verdict {
    let p = softmax(logits);
    let best = (1..3).fold(0, |best, i| if p[best] < p[i] { i } else { best });
    let label = [Label::Neg, Label::Neu, Label::Pos][best];
    Verdict { p, label, confidence: p[best], accepted: acceptance.accepts(p, label, p[best]) }
}

/// The verdict on a row without text.
#[must_use]
pub const fn on_nothing(policy: EmptyTextPolicy) -> Verdict {
    match policy {
        EmptyTextPolicy::Neutral => Verdict { p: [0.0, 1.0, 0.0], label: Label::Neu, confidence: 1.0, accepted: true },
        EmptyTextPolicy::Zero => Verdict { p: [0.0; 3], label: Label::NoText, confidence: 0.0, accepted: false },
    }
}

fn softmax(logits: [f32; 3]) -> [f64; 3] {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = logits.map(|logit| f64::from(logit - top).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Acceptance = Acceptance { mode: BetoMode::Probs, threshold: 0.75, margin: 0.15, neu_min: 0.75 };

    fn logits(p: [f64; 3]) -> [f32; 3] {
        p.map(|p| p.ln() as f32)
    }

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        for logits in [[0.0, 0.0, 0.0], [90.0, -90.0, 3.0], [-1e4, -1e4, -1e4]] {
            let sum: f64 = on_text(logits, &RULE).p.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn label_is_the_most_probable() {
        assert_eq!(on_text(logits([0.2, 0.1, 0.7]), &RULE).label, Label::Pos);
        assert_eq!(on_text(logits([0.6, 0.3, 0.1]), &RULE).label, Label::Neg);
        assert_eq!(on_text(logits([0.2, 0.5, 0.3]), &RULE).label, Label::Neu);
    }

    #[test]
    fn each_bar_refuses_on_its_own() {
        let accepted = |p, rule: Acceptance| on_text(logits(p), &rule).accepted;

        assert!(accepted([0.05, 0.05, 0.9], RULE));
        assert!(!accepted([0.1, 0.2, 0.7], RULE));
        assert!(!accepted([0.0001, 0.44, 0.55], Acceptance { threshold: 0.5, ..RULE }));
        assert!(!accepted([0.1, 0.8, 0.1], Acceptance { neu_min: 0.9, ..RULE }));
        assert!(accepted([0.1, 0.1, 0.8], Acceptance { neu_min: 0.9, ..RULE }));
    }

    #[test]
    fn simple_mode_asks_for_the_threshold_alone() {
        let simple = Acceptance { mode: BetoMode::Simple, threshold: 0.5, margin: 0.9, neu_min: 1.0 };

        assert!(on_text(logits([0.1, 0.55, 0.35]), &simple).accepted);
        assert!(!on_text(logits([0.4, 0.3, 0.3]), &simple).accepted);
    }

    #[test]
    fn a_tie_has_no_margin() {
        let rule = Acceptance { threshold: 0.1, ..RULE };

        assert!(!on_text([1.0, 0.0, 1.0], &rule).accepted);
    }

    #[test]
    fn a_row_without_text_follows_its_policy() {
        let (neutral, zero) = (on_nothing(EmptyTextPolicy::Neutral), on_nothing(EmptyTextPolicy::Zero));

        assert_eq!((neutral.p, neutral.label.as_str(), neutral.accepted), ([0.0, 1.0, 0.0], "neu", true));
        assert_eq!((zero.p, zero.label.as_str(), zero.accepted), ([0.0; 3], "no_text", false));
    }
}
