//! What a worker's machine uses, as heartbeats tell it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a worker's machine uses at the moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// The share of its processors' time that is not idle, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_load_percent: Option<f64>,
    /// Main memory in use, in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram_used_gb: Option<f64>,
    /// Its devices, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices_usage: Option<Vec<DeviceUsage>>,
}

/// How busy a device is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceUsage {
    /// Which one: the `id` of the device.
    pub unit_id: String,
    /// The share of the time in which it computed, 0 to 100.
    pub load_percent: f64,
    /// More figures; `memory_used_gb` and `memory_total_gb` are its memory, in GiB.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub metrics: Map<String, Value>,
}

/// What cannot be understood is left aside: a worker's leases must not end for it.
pub(super) fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Usage>, D::Error> {
    let usage = Option::<Value>::deserialize(deserializer)?;
    Ok(usage.and_then(|usage| serde_json::from_value(usage).ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::worker::Heartbeat;

    #[test]
    fn a_usage_that_makes_no_sense_does_not_spoil_its_heartbeat() {
        let read = |usage: Value| -> Heartbeat {
            serde_json::from_value(json!({ "status": "idle", "usage": usage })).unwrap()
        };

        let sound = read(json!({ "cpu_load_percent": 5, "devices_usage": [{ "unit_id": "0", "load_percent": 1 }] }));
        assert_eq!(sound.usage.unwrap().devices_usage.unwrap()[0].load_percent, 1.0);
        for odd in [json!(null), json!("much"), json!({ "devices_usage": 3 }), json!({ "cpu_load_percent": "5" })] {
            let heartbeat = read(odd);
            assert_eq!((heartbeat.status.as_deref(), heartbeat.usage), (Some("idle"), None));
        }
    }
}
