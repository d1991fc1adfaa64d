//! The description holds every route, and is OpenAPI 3.1 in its structure.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::openapi;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn description() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// Each operation with its path and method.
fn operations(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    operations.collect()
}

/// Calls `look` with every value within `value`.
fn walk(value: &Value, look: &mut dyn FnMut(&Value)) {
    look(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|value| walk(value, look)),
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        _ => {}
    }
}

/// Routes come into the router through `api_route` alone, which describes them; each path occurs once.
#[test]
fn every_route_of_the_router_is_described() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/routes");
    let mut routes = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = std::fs::read_to_string(&path).unwrap();
        for after in code.split(".api_route(").skip(1) {
            routes.insert(after.split('"').nth(1).unwrap().to_owned());
        }
        // `/metrics` is served on an address of its own too.
        let plain = code.matches(".route(").count();
        assert_eq!(plain, code.matches(".route(\"/metrics\"").count(), "{}", path.display());
    }
    let description = description();
    let described: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, routes);
    assert!(described.len() >= 18, "{described:?}");
}

#[test]
fn each_operation_has_an_id_a_summary_its_parameters_and_its_answers() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&description) {
        let name = format!("{method} {path}");
        assert!(METHODS.contains(&method), "{name}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
        assert!(!operation["summary"].as_str().unwrap().is_empty() && operation["tags"].is_array(), "{name}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let described: BTreeSet<&str> =
            parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(described, in_path, "{name}");
        for parameter in &parameters {
            assert!(parameter["schema"].is_object(), "{name}: {parameter}");
            assert!(parameter["in"] != "path" || parameter["required"] == true, "{name}: {parameter}");
        }
        if let Some(body) = operation.get("requestBody") {
            let picture = body["content"]["application/octet-stream"].is_object();
            assert!(picture || body["content"]["application/json"]["schema"].is_object(), "{name}: {body}");
        }
        let responses = operation["responses"].as_object().unwrap();
        for status in ["200", "400", "404", "409", "422", "500", "503"] {
            assert!(responses.contains_key(status), "{name}: {status}");
        }
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{name}: {status}");
            if status != "200" {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ErrorBody", "{name}: {status}");
            }
        }
    }
    assert!(ids.len() >= 22, "{ids:?}");
}

#[test]
fn the_structure_is_that_of_openapi_3_1() {
    let description = description();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    assert!(description["info"]["title"].is_string() && description["info"]["version"].is_string());
    let known = ["openapi", "info", "servers", "paths", "components", "security", "tags", "externalDocs"];
    assert!(description.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
    assert!(description["paths"].as_object().unwrap().keys().all(|path| path.starts_with('/')));
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut references = BTreeSet::new();
    walk(&description, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            references.insert(reference.strip_prefix("#/components/schemas/").unwrap().to_owned());
        }
        // JSON Schema 2020-12 describes a tuple by `prefixItems`; before it was a list of `items`.
        assert!(!value.get("items").is_some_and(Value::is_array), "{value}");
        if let Some(kind) = value.get("type").and_then(Value::as_str) {
            let kinds = ["object", "array", "string", "number", "integer", "boolean", "null"];
            assert!(kinds.contains(&kind), "{value}");
        }
    });
    let defined: BTreeSet<String> = schemas.keys().cloned().collect();
    assert_eq!(references.difference(&defined).collect::<Vec<_>>(), [""; 0]);
}
