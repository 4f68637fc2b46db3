mod layouts;
mod registries;
mod scene;
