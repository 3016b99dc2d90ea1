//! The JSON Schema of configs: one for each algorithm, with exactly its fields, and all of them as one for editors.
//!
//! The types of this module are the source: ranges stand beside the fields, and defaults are those of the algorithm's
//! `Default`.

use super::algorithm::{
    AlgorithmClass, AlphaZeroConfig, BackwardScrambleConfig, EsConfig, PpoConfig,
};
use super::json::{overlay, to_json};
use super::{Document, SharedConfig};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The sections of `algorithm` in the order in which they are written.
const SECTIONS: [&str; 8] =
    ["device", "collecting", "training", "es", "learning", "optimizer", "evals", "logging"];
/// The keyword by which the schema of a field lists the algorithms that use it, if not all do.
const ALGORITHMS: &str = "x-algorithms";

/// The key by which a config names its schema for editors. It means nothing to the trainer.
const REFERENCE: &str = "$schema";

/// Returns the schema of a config of this algorithm. It has no references.
pub(super) fn of(class: AlgorithmClass) -> &'static Value {
    static SCHEMAS: LazyLock<[Value; 4]> =
        LazyLock::new(|| AlgorithmClass::ALL.map(|(_, class)| build(class)));
    &SCHEMAS[class as usize]
}

/// Returns the schema of configs of all algorithms, which `algorithm_cls` selects.
pub(super) fn for_editors() -> Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let reference = json!({r"^\$schema$": {"type": "string"}});
        let mut root = of(AlgorithmClass::default()).clone();
        root["patternProperties"] = reference.clone();
        for section in ["policy", "algorithm"] {
            let section = &mut root["properties"][section];
            *section = json!({"description": section["description"]});
        }
        let branch = |(name, class)| {
            let mut given = json!({"properties": {"algorithm_cls": {"enum": names(name)}}});
            if class != AlgorithmClass::default() {
                given["required"] = json!(["algorithm_cls"]);
            }
            json!({"if": given, "then": {"$ref": format!("#/$defs/{name}")}})
        };
        root["allOf"] = AlgorithmClass::ALL.map(branch).into();
        let schemas = AlgorithmClass::ALL.map(|(name, class)| {
            let mut schema = of(class).clone();
            schema["title"] = name.into();
            schema["patternProperties"] = reference.clone();
            (name.to_owned(), schema)
        });
        root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        root["$defs"] = Value::Object(schemas.into_iter().collect());
        root
    });
    SCHEMA.clone()
}

/// Removes the key by which a config names its schema for editors.
pub(super) fn remove_reference(config: &mut Value) {
    if let Some(fields) = config.as_object_mut() {
        fields.shift_remove(REFERENCE);
    }
}

/// Returns the fields of `value` that the schema has, in its order.
pub(super) fn in_order(value: Value, schema: &Value) -> Value {
    let (Value::Object(mut fields), Some(properties)) = (value.clone(), properties(schema)) else {
        return value;
    };
    let ordered = properties.iter().filter_map(|(key, schema)| {
        fields.shift_remove(key).map(|field| (key.clone(), in_order(field, schema)))
    });
    Value::Object(ordered.collect())
}

/// Returns the schema of the field `key` of an object with this schema.
pub(super) fn field<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let other = schema.get("additionalProperties").filter(|other| other.is_object());
    properties(schema).and_then(|properties| properties.get(key)).or(other)
}

/// Returns the schemas of the fields of an object, if they are known.
pub(super) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

fn build(class: AlgorithmClass) -> Value {
    let own = match class {
        AlgorithmClass::Ppo => generate_with_defaults::<PpoConfig>(),
        AlgorithmClass::AlphaZero => generate_with_defaults::<AlphaZeroConfig>(),
        AlgorithmClass::BackwardScramble => generate_with_defaults::<BackwardScrambleConfig>(),
        AlgorithmClass::Es => generate_with_defaults::<EsConfig>(),
    };
    let mut schema = generate::<Document>();
    let names: Vec<_> = AlgorithmClass::ALL.iter().flat_map(|(name, _)| names(name)).collect();
    schema["properties"]["algorithm_cls"]["enum"] = names.into();
    let mut algorithm = generate_with_defaults::<SharedConfig>();
    overlay(&mut algorithm["properties"], own["properties"].clone());
    let mut sections = algorithm["properties"].take();
    let section = |name: &str| sections.get_mut(name).map(|s| (name.to_owned(), s.take()));
    algorithm["properties"] = Value::Object(SECTIONS.into_iter().filter_map(section).collect());
    algorithm["description"] = schema["properties"]["algorithm"]["description"].take();
    schema["properties"]["algorithm"] = algorithm;
    finish(&mut schema, class);
    schema
}

/// The names of an algorithm that configs may give.
fn names(name: &str) -> [String; 2] {
    [format!("twisterl.rl.{name}"), name.to_owned()]
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of `T`, whose default values are those of its `Default`.
fn generate_with_defaults<T: JsonSchema + Default + Serialize>() -> Value {
    let mut schema = generate::<T>();
    set_defaults(&mut schema, to_json(&T::default()));
    schema
}

fn set_defaults(schema: &mut Value, default: Value) {
    match (schema.get_mut("properties").and_then(Value::as_object_mut), default) {
        (Some(properties), Value::Object(mut defaults)) => {
            for (key, property) in properties {
                if let Some(default) = defaults.shift_remove(key) {
                    set_defaults(property, default);
                }
            }
        }
        (_, default) => schema["default"] = default,
    }
}

/// Removes the fields that the algorithm does not use, and closes all objects to other keys.
fn finish(schema: &mut Value, class: AlgorithmClass) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|_, property| match property.get(ALGORITHMS) {
            Some(users) => {
                users.as_array().is_some_and(|users| users.contains(&class.name().into()))
            }
            None => true,
        });
        for property in properties.values_mut() {
            finish(property, class);
        }
        // The default of an object is that of its fields, some of which are gone or come from elsewhere.
        if fields.get("default").is_some_and(Value::is_object) {
            fields.shift_remove("default");
        }
        fields.insert("additionalProperties".into(), false.into());
    }
    fields.shift_remove(ALGORITHMS);
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(inner) {
            finish(inner, class);
        }
    }
}
