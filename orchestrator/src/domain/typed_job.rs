//! A job that is asked for by its type: which one, and with which input, whether its parameters stand beside the type or in an object of
//! their own.

use relevo_shared::problem::Detail;
use serde_json::{Map, Value};

const TYPE: &str = "type";
const PARAMS: &str = "params";
const DATASET: &str = "dataset_id";

/// What a body asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedJob {
    /// The kind of job.
    pub kind: String,
    /// The input of its blueprint.
    pub input: Map<String, Value>,
    /// Whether the parameters stood in an object of their own.
    pub nested: bool,
}

impl TypedJob {
    /// Reads a body: `{"type", …parameters}`, or `{"type", "params": {…}}` where `dataset_id` may stand at either place.
    ///
    /// # Errors
    /// All members that are missing, of the wrong type, or at the wrong place.
    pub fn read(mut body: Map<String, Value>) -> Result<Self, Vec<Detail>> {
        let mut faults = Vec::new();
        let kind = match body.shift_remove(TYPE) {
            Some(Value::String(kind)) => kind,
            None => {
                faults.push(Detail::new(TYPE, "is missing: it says what kind of job is to be created"));
                String::new()
            }
            Some(_) => {
                faults.push(Detail::new(TYPE, "must be a text: the kind of job that is to be created"));
                String::new()
            }
        };
        let (input, nested) = match body.shift_remove(PARAMS) {
            None => (body, false),
            Some(Value::Object(mut params)) => {
                for (name, value) in body {
                    let told = params.get(&name);
                    if name != DATASET {
                        faults.push(Detail::new(name, "stands beside `params`: put it into them"));
                    } else if told.is_some_and(|told| *told != value) {
                        faults.push(Detail::new(DATASET, "stands in `params` too, and they differ"));
                    } else {
                        params.insert(name, value);
                    }
                }
                (params, true)
            }
            Some(_) => {
                faults.push(Detail::new(PARAMS, "must be an object: the parameters of the job"));
                (Map::new(), true)
            }
        };
        if faults.is_empty() { Ok(Self { kind, input, nested }) } else { Err(faults) }
    }

    /// The dataset that it names; null for none.
    #[must_use]
    pub fn dataset(&self) -> Value {
        self.input.get(DATASET).cloned().unwrap_or_default()
    }
}

/// What is wrong with the input of a job, by the names that its body has for it; `initial_data` is that of the whole input.
#[must_use]
pub fn in_params(details: Vec<Detail>) -> Vec<Detail> {
    let renamed = |detail: Detail| match detail.field.strip_prefix("initial_data") {
        Some(rest) => Detail::new(format!("{PARAMS}{rest}"), detail.reason),
        None => detail,
    };
    details.into_iter().map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<TypedJob, Vec<String>> {
        let Value::Object(body) = body else { panic!("{body} is no object") };
        TypedJob::read(body).map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn parameters_stand_beside_the_type_or_in_an_object() {
        let input = json!({ "dataset_id": 48, "epochs": 3 });
        let job = |nested| {
            let Value::Object(input) = input.clone() else { panic!("it is an object") };
            Ok(TypedJob { kind: "train_rbm".to_owned(), input, nested })
        };

        assert_eq!(read(json!({ "type": "train_rbm", "dataset_id": 48, "epochs": 3 })), job(false));
        assert_eq!(read(json!({ "type": "train_rbm", "params": { "dataset_id": 48, "epochs": 3 } })), job(true));
        assert_eq!(read(json!({ "type": "train_rbm", "dataset_id": 48, "params": { "epochs": 3 } })), job(true));
        let twice = json!({ "type": "train_rbm", "dataset_id": 48, "params": { "epochs": 3, "dataset_id": 48 } });
        assert_eq!(read(twice), job(true));
        assert_eq!(job(true).unwrap().dataset(), 48);
        assert_eq!(read(json!({ "type": "x" })).unwrap().dataset(), Value::Null);
    }

    #[test]
    fn every_member_that_is_wrong_is_told() {
        let faults = |body| read(body).unwrap_err();

        assert_eq!(faults(json!({})), ["type"]);
        assert_eq!(faults(json!({ "type": 3, "params": [] })), ["type", "params"]);
        assert_eq!(faults(json!({ "type": "x", "params": {}, "epochs": 3, "seed": 1 })), ["epochs", "seed"]);
        assert_eq!(faults(json!({ "type": "x", "dataset_id": 1, "params": { "dataset_id": "1" } })), ["dataset_id"]);
    }

    #[test]
    fn faults_have_the_names_of_the_body() {
        let fields = ["initial_data.epochs", "initial_data", "webhook_url"];
        let told = in_params(fields.map(|field| Detail::new(field, "is wrong")).into());

        let told: Vec<_> = told.into_iter().map(|detail| detail.field).collect();
        assert_eq!(told, ["params.epochs", "params", "webhook_url"]);
    }
}
