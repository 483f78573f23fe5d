// swift-tools-version: 6.2
import PackageDescription

// The module diagram of docs/architecture.md: dependencies point downwards only, and launch/test builds with
// --explicit-target-dependency-import-check error, so an undeclared import does not compile.

/// launch/test sets SKIPTUNE_STRICT; a newer compiler's new warnings then never break a user's build.
let strict = Context.environment["SKIPTUNE_STRICT"] != nil
let swiftSettings: [SwiftSetting] = strict ? [.treatAllWarnings(as: .error)] : []
let cSettings: [CSetting] = strict ? [.treatAllWarnings(as: .error)] : []

/// What `skiptune --version` tells of the build, as launch/install says it; a quote would end the text.
let buildFacts: [CSetting] =
  Context.environment["SKIPTUNE_BUILD"].map { facts in
    [.define("SKIPTUNE_BUILD", to: "\"\(facts.filter { $0 != "\"" && $0 != "\\" })\"")]
  } ?? []

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func cModule(_ name: String, _ dependencies: [Target.Dependency] = [], linking libraries: [String] = []) -> Target {
  .target(
    name: name, dependencies: dependencies, cSettings: cSettings,
    linkerSettings: libraries.map { .linkedLibrary($0) })
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: ["TestSupport"] + dependencies, swiftSettings: swiftSettings)
}

let package = Package(
  name: "skiptune",
  products: [
    .executable(name: "skiptune", targets: ["skiptune"]),
    .library(
      name: "SkipTuning",
      targets: [
        "SkipTuning", "CLIPModel", "Optimization", "Kernels", "MatrixBackends", "Tensors", "Datasets", "Diagnostics",
      ]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // System libraries: module map and flags only.
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),

    // Plain C.
    cModule("CMPIShims", ["COpenMPI"]),
    // oneDNN brings no pkg-config file.
    cModule("CDNNLShims", ["COneDNN"], linking: ["dnnl"]),
    cModule("CImageShims", ["CTurboJPEG", "CPNG"]),
    cModule("CKernels"),
    .target(name: "CBuildFacts", cSettings: cSettings + buildFacts),

    // Foundations.
    module("Diagnostics"),
    module("Tensors"),
    module("Files", ["Diagnostics"]),
    module("StrictJSON", ["Diagnostics"]),
    module("Safetensors", ["Diagnostics", "Files", "Tensors", "StrictJSON"]),
    module("Configuration", ["Diagnostics", .product(name: "Yams", package: "Yams")]),
    module("RestrictedPickle", ["Diagnostics"]),
    module("ZipFiles", ["Diagnostics", "Files", "CZlib"]),
    module("TorchArchives", ["Diagnostics", "Files", "Safetensors", "ZipFiles", "RestrictedPickle"]),

    // Compute.
    module("Kernels", ["Tensors", "CKernels"]),
    module("MatrixBackends", ["Tensors", "Kernels", "COpenBLAS", "CDNNLShims"]),

    // Communication.
    module("Collectives", ["Diagnostics", "Tensors"]),
    module("MPICollectives", ["Diagnostics", "Collectives", "CMPIShims"]),

    module("Coordination", ["Diagnostics", "Collectives"]),
    module("GradientExchange", ["Diagnostics", "Tensors", "Kernels", "Collectives"]),

    // Checkpoints.
    module("ShardFiles", ["Diagnostics", "Files", "Tensors", "CKernels", "CZstd", "CXXHash"]),
    module("FeatureCache", ["Diagnostics", "Files", "ShardFiles"]),
    module("Checkpoints", ["Diagnostics", "Files", "Tensors", "StrictJSON", "Collectives", "ShardFiles"]),

    // The model and the method: they never see a rank, a file of images or a clock.
    module(
      "CLIPModel",
      [
        "Diagnostics", "Files", "Tensors", "Kernels", "StrictJSON", "Safetensors", "ZipFiles", "TorchArchives",
      ]),
    module("SkipTuning", ["Diagnostics", "Tensors", "Kernels", "CLIPModel", "Optimization"]),
    module("Optimization", ["Tensors", "Kernels"]),
    module(
      "TunedModels",
      ["Diagnostics", "Tensors", "StrictJSON", "Safetensors", "ShardFiles", "Checkpoints", "CLIPModel"]),

    // Data.
    module("Datasets", ["Diagnostics", "Files", "Tensors", "StrictJSON", "CImageShims", "RestrictedPickle"]),

    // The program.
    module("EventFiles", ["Diagnostics", "Files"]),
    module("RunRecords", ["Diagnostics", "Files", "StrictJSON"]),
    module("Reporting", ["Diagnostics", "Files", .product(name: "Logging", package: "swift-log")]),
    module("HTMLReport", ["StrictJSON", "RunRecords", "Reporting"]),
    module(
      "DatasetVerification",
      ["Diagnostics", "StrictJSON", "Collectives", "ShardFiles", "Datasets", "Reporting"]),
    module(
      "Evaluation",
      ["Diagnostics", "Tensors", "Kernels", "Collectives", "Coordination", "CLIPModel", "SkipTuning", "Datasets"]),
    module(
      "Planning",
      ["Diagnostics", "Files", "StrictJSON", "Kernels", "CLIPModel", "SkipTuning", "Reporting"]),
    module(
      "MachineBenchmark",
      [
        "Tensors", "CKernels", "Kernels", "Collectives", "CLIPModel", "SkipTuning", "Optimization", "Datasets",
        "Planning", "Reporting",
      ]),
    module(
      "MachineDiagnosis",
      [
        "Diagnostics", "Files", "Kernels", "Collectives", "CLIPModel", "SkipTuning", "Planning", "MachineBenchmark",
        "Reporting",
      ]),
    module(
      "Training",
      [
        "Diagnostics", "Files", "Tensors", "Kernels", "Collectives", "Coordination", "CLIPModel", "SkipTuning",
        "Optimization", "GradientExchange", "Datasets", "Configuration", "Reporting", "Evaluation", "Safetensors",
        "ShardFiles", "Checkpoints", "StrictJSON", "TunedModels", "EventFiles", "HTMLReport", "RunRecords", "Planning",
        "FeatureCache",
      ]),
    module(
      "Protocols",
      [
        "Diagnostics", "Files", "StrictJSON", "Kernels", "Collectives", "Configuration", "Datasets", "ShardFiles",
        "Checkpoints", "Reporting", "Evaluation", "Training",
      ]),
    module(
      "Sweeps",
      [
        "Diagnostics", "Files", "StrictJSON", "Configuration", "Datasets", "Planning",
        "Reporting", "Evaluation", "HTMLReport", "Training",
      ]),
    module(
      "SweepExecution",
      [
        "Diagnostics", "Files", "StrictJSON", "Kernels", "Collectives", "Configuration", "Reporting", "RunRecords",
        "Training", "Sweeps",
      ]),
    .executableTarget(
      name: "skiptune",
      dependencies: [
        "Diagnostics", "Tensors", "Safetensors", "Configuration", "Kernels", "MatrixBackends", "Collectives",
        "MPICollectives", "CLIPModel", "Datasets", "Reporting", "Training", "Evaluation", "Checkpoints", "TunedModels",
        "Files", "ShardFiles", "StrictJSON", "Planning", "MachineBenchmark", "SkipTuning", "DatasetVerification",
        "Protocols", "Sweeps", "SweepExecution", "FeatureCache", "MachineDiagnosis", "CBuildFacts",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings),

    // Tests. TestSupport finds goldens and starts processes; `skiptune-scenarios` is what mpirun starts in
    // multi-rank tests: one scenario a process, no test framework inside.
    .target(
      name: "TestSupport", dependencies: ["Diagnostics", "Tensors", "Safetensors", "Collectives"],
      path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "skiptune-scenarios",
      dependencies: [
        "Diagnostics", "Tensors", "Collectives", "MPICollectives", "Safetensors", "ShardFiles", "Checkpoints",
        "TestSupport",
      ],
      path: "Tests/Scenarios", swiftSettings: swiftSettings),
    // Reads damaged and hostile inputs of every format; docs/robustness.md.
    .executableTarget(
      name: "skiptune-fuzz",
      dependencies: [
        "Diagnostics", "Tensors", "StrictJSON", "Safetensors", "RestrictedPickle", "TorchArchives", "Configuration",
        "Collectives", "ShardFiles", "FeatureCache", "Checkpoints", "CLIPModel", "TunedModels", "Datasets",
        "RunRecords", "HTMLReport", "Evaluation", "Planning", "Training", "Sweeps", "SweepExecution", "Protocols",
        "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/Fuzz", swiftSettings: swiftSettings),
    // Linked where allocations are counted, and nowhere else: it replaces malloc.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter", cSettings: cSettings),
    .executableTarget(
      name: "skiptune-allocations",
      dependencies: [
        "AllocationCounter", "Tensors", "Kernels", "MatrixBackends", "CLIPModel", "SkipTuning", "Optimization",
        "Planning",
      ],
      path: "Tests/Allocations", swiftSettings: swiftSettings),
    tests("DiagnosticsTests", ["Diagnostics"]),
    tests("TensorsTests", ["Tensors"]),
    tests("FilesTests", ["Diagnostics", "Files"]),
    tests("StrictJSONTests", ["Diagnostics", "Tensors", "StrictJSON"]),
    tests("SafetensorsTests", ["Diagnostics", "Files", "Tensors", "StrictJSON", "Safetensors"]),
    tests("ConfigurationTests", ["Diagnostics", "Configuration"]),
    tests("KernelsTests", ["Tensors", "Kernels", "MatrixBackends"]),
    tests("CollectivesTests", ["Diagnostics", "Tensors", "Collectives"]),
    tests("CoordinationTests", ["Diagnostics", "Collectives", "Coordination"]),
    tests("GradientExchangeTests", ["Diagnostics", "Tensors", "Kernels", "Collectives", "GradientExchange"]),
    tests("FeatureCacheTests", ["Diagnostics", "Files", "ShardFiles", "FeatureCache"]),
    tests("ShardFilesTests", ["Diagnostics", "Files", "Tensors", "CKernels", "CXXHash", "ShardFiles"]),
    tests(
      "CheckpointsTests",
      ["Diagnostics", "Files", "Tensors", "StrictJSON", "Collectives", "ShardFiles", "Checkpoints"]),
    tests(
      "CLIPModelTests",
      ["Diagnostics", "Files", "Tensors", "Kernels", "MatrixBackends", "StrictJSON", "Safetensors", "CLIPModel"]),
    tests(
      "TunedModelsTests",
      [
        "Diagnostics", "Tensors", "Collectives", "StrictJSON", "Safetensors", "ShardFiles", "Checkpoints", "CLIPModel",
        "TunedModels",
      ]),
    tests(
      "SkipTuningTests",
      ["Diagnostics", "Tensors", "Kernels", "MatrixBackends", "Safetensors", "CLIPModel", "SkipTuning", "Optimization"]),
    tests("DatasetsTests", ["Diagnostics", "Tensors", "Datasets", "Safetensors"]),
    tests("RestrictedPickleTests", ["Diagnostics", "RestrictedPickle"]),
    tests(
      "DatasetVerificationTests",
      ["Diagnostics", "Collectives", "ShardFiles", "Datasets", "Reporting", "DatasetVerification"]),
    tests("ZipFilesTests", ["Diagnostics", "Files", "ZipFiles"]),
    tests(
      "TorchArchivesTests", ["Diagnostics", "Files", "Tensors", "Safetensors", "RestrictedPickle", "TorchArchives"]),
    tests("EventFilesTests", ["Diagnostics", "EventFiles"]),
    tests("RunRecordsTests", ["Diagnostics", "RunRecords"]),
    tests("HTMLReportTests", ["Reporting", "RunRecords", "HTMLReport"]),
    tests("ReportingTests", ["Diagnostics", "Reporting"]),
    tests(
      "PlanningTests",
      ["Diagnostics", "Tensors", "Kernels", "MatrixBackends", "CLIPModel", "SkipTuning", "Planning"]),
    tests("MachineBenchmarkTests", ["Collectives", "Kernels", "MatrixBackends", "Planning", "MachineBenchmark"]),
    tests(
      "MachineDiagnosisTests",
      ["Diagnostics", "Collectives", "Kernels", "MatrixBackends", "CLIPModel", "Planning", "MachineDiagnosis"]),
    tests(
      "EvaluationTests",
      ["Diagnostics", "Tensors", "Kernels", "MatrixBackends", "Collectives", "CLIPModel", "Datasets", "Evaluation"]),
    tests(
      "TrainingTests",
      [
        "Diagnostics", "Tensors", "Kernels", "MatrixBackends", "Collectives", "CLIPModel", "SkipTuning", "Optimization",
        "Datasets", "Configuration", "Reporting", "Evaluation", "Training", "Safetensors", "ShardFiles", "Checkpoints",
        "StrictJSON", "FeatureCache",
      ]),
    tests("SweepsTests", ["Diagnostics", "Files", "Configuration", "Reporting", "Training", "Sweeps"]),
    tests("SweepExecutionTests", ["Diagnostics", "Sweeps", "SweepExecution"]),
    tests("ProtocolsTests", ["Diagnostics", "Protocols"]),
    tests("FuzzTests", []),
    tests("EndToEndTests", ["Diagnostics", "Tensors", "StrictJSON", "Safetensors", "Sweeps"]),
  ],
  swiftLanguageModes: [.v6]
)
