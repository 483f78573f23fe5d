// swift-tools-version: 6.2
import PackageDescription

// A program of one's own on the library of skiptune. Elsewhere the dependency is a URL and a version instead of a path.
let package = Package(
  name: "OwnLoop",
  dependencies: [.package(name: "skiptune", path: "../..")],
  targets: [
    .executableTarget(name: "own-loop", dependencies: [.product(name: "SkipTuning", package: "skiptune")])
  ])
