// Package layers tests the architecture: each package belongs to a layer, and imports only packages of lower layers; each term
// of the glossary in ARCHITECTURE.md is explained by the package that owns it. The package has no code besides its tests.
package layers
