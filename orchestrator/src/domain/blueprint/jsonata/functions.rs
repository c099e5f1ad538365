//! The functions of an expression that are not JSONata's own: what the States Language adds, what must not depend on
//! the clock or chance, and what must not take all memory.

use std::{borrow::Cow, cell::Cell, rc::Rc};

use jsonata_core::{
    evaluator::{Context, Evaluator, EvaluatorError},
    parser,
    value::JValue,
};
use sha2::{Digest, Sha256};

use super::{MAX_BYTES, MAX_LEVELS, Outcome};
use crate::domain::blueprint::{intrinsic, scope::World};

/// Characters that `$pad` makes of a text.
const MAX_WIDTH: f64 = 100_000.0;
/// The greatest number written in Roman figures, which grow with it.
const MAX_ROMAN: f64 = 100_000.0;

type Answer = Result<JValue, EvaluatorError>;

/// Gives `evaluator` its functions.
pub(super) fn register(evaluator: &mut Evaluator, world: &World<'_>) {
    let now_ms = world.facts.now_ms;
    let chance = Rc::new(Chance { seed: world.draw(), drawn: Cell::new(0) });

    for (name, intrinsic) in [
        ("partition", "States.ArrayPartition"),
        ("range", "States.ArrayRange"),
        ("hash", "States.Hash"),
        ("parse", "States.StringToJson"),
    ] {
        add(evaluator, name, move |arguments| {
            shared(intrinsic, arguments).map_err(|reason| refused(&format!("${name}: {reason}")))
        });
    }
    let ids = Rc::clone(&chance);
    add(evaluator, "uuid", move |_| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&ids.draw()[..16]);
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into())
    });

    replace(evaluator, "eval", |_| Err(refused("$eval is not offered")));
    replace(evaluator, "millis", move |_| Ok(now_ms.into()));
    replace(evaluator, "now", move |arguments| {
        let mut whole = vec![now_ms.into()];
        whole.extend_from_slice(arguments);
        own("fromMillis", &whole)
    });
    let numbers = Rc::clone(&chance);
    replace(evaluator, "random", move |arguments| match arguments {
        [] => Ok(fraction(&numbers.draw()).into()),
        [JValue::Number(seed)] => Ok(fraction(&Sha256::digest(seed.to_bits().to_le_bytes()).into()).into()),
        _ => Err(refused("$random takes nothing, or a number to start from")),
    });
    replace(evaluator, "shuffle", move |arguments| {
        let [JValue::Array(items)] = arguments else { return own("shuffle", arguments) };
        let mut items = items.to_vec();
        for last in (1..items.len()).rev() {
            let other = fraction(&chance.draw()) * (last + 1) as f64;
            items.swap(last, other as usize);
        }
        Ok(JValue::sequence(items))
    });

    replace(evaluator, "pad", |arguments| match arguments {
        [_, JValue::Number(width), ..] if width.abs() > MAX_WIDTH => {
            Err(refused(&format!("$pad makes at most {MAX_WIDTH} characters")))
        }
        _ => own("pad", arguments),
    });
    replace(evaluator, "formatInteger", |arguments| match arguments {
        [JValue::Number(number), JValue::String(picture), ..]
            if picture.starts_with(['I', 'i']) && number.abs() > MAX_ROMAN =>
        {
            Err(refused(&format!("Roman figures end at {MAX_ROMAN}")))
        }
        _ => own("formatInteger", arguments),
    });
    // The library leaves spaces as they are.
    replace(evaluator, "encodeUrl", |arguments| match own("encodeUrl", arguments)? {
        JValue::String(url) => Ok(url.replace(' ', "%20").into()),
        other => Ok(other),
    });
}

/// The random numbers of one evaluation.
struct Chance {
    seed: [u8; 32],
    drawn: Cell<u64>,
}

impl Chance {
    fn draw(&self) -> [u8; 32] {
        let number = self.drawn.get();
        self.drawn.set(number + 1);
        Sha256::new().chain_update(self.seed).chain_update(number.to_le_bytes()).finalize().into()
    }
}

/// A number in `[0, 1)` with the 53 bits that it can have.
fn fraction(bits: &[u8; 32]) -> f64 {
    let drawn = bits.first_chunk::<8>().map_or(0, |bits| u64::from_le_bytes(*bits));
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

fn add(evaluator: &mut Evaluator, name: &str, function: impl Fn(&[JValue]) -> Answer + 'static) {
    evaluator.register_fn(name, function).expect("JSONata has no function of this name");
}

fn replace(evaluator: &mut Evaluator, name: &str, function: impl Fn(&[JValue]) -> Answer + 'static) {
    evaluator.register_fn_override(name, function).expect("JSONata lets this function be replaced");
}

fn refused(reason: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(reason.to_owned())
}

/// Computes JSONata's own function of this name.
fn own(name: &str, arguments: &[JValue]) -> Answer {
    let mut context = Context::new();
    let mut names = Vec::with_capacity(arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        context.bind(format!("a{at}"), argument.clone());
        names.push(format!("$a{at}"));
    }
    let call = parser::parse(&format!("${name}({})", names.join(", "))).expect("a call of variables is sound");
    Evaluator::with_context(context).evaluate(&call, &JValue::Undefined)
}

/// Computes an intrinsic function of the States Language; of nothing it gives nothing, as functions of JSONata do.
fn shared(intrinsic: &str, arguments: &[JValue]) -> Result<JValue, String> {
    if matches!(arguments, [JValue::Undefined, ..]) {
        return Ok(JValue::Undefined);
    }
    let mut outcome = Outcome { left: MAX_BYTES };
    let arguments: Result<_, _> =
        arguments.iter().map(|argument| outcome.value(argument, MAX_LEVELS).map(Cow::Owned)).collect();
    let arguments = arguments.map_err(|_| "an argument is no JSON, or too large")?;
    intrinsic::compute(intrinsic, arguments).map(JValue::from)
}
