//! Properties of replicas.
