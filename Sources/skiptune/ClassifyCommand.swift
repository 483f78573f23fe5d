import ArgumentParser
import CLIPModel
import Collectives
import Datasets
import Diagnostics
import Evaluation
import Foundation
import MatrixBackends
import Reporting
import TunedModels

/// `skiptune classify`.
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Name the most probable classes of images.",
    discussion: "Under mpirun the ranks share the images.")

  /// What is done about an image that cannot be read.
  enum BadImage: String, CaseIterable, ExpressibleByArgument {
    case fail, skip
  }

  @OptionGroup var modelOptions: ModelOptions
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "JPEG or PNG files, or folders of which all files named so are taken.", valueName: "path"))
  var images: [String]
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Class names, or one text file with a name on each line; default: the classes of the delta.", valueName: "name"))
  var classes: [String] = []
  @Option(
    help: ArgumentHelp(
      "Prompt; {} stands for the class name; default: that of the delta, or \"\(PromptTemplate.fallback)\"",
      valueName: "text"))
  var template: String?
  @Option(help: "Classes that are named for each image.")
  var top = 5
  @Flag(help: "Print one JSON object per image and line.")
  var json = false
  @Option(help: "What to do about an image that cannot be read: fail, or skip it and say so.")
  var onBadImage = BadImage.fail
  @Option(help: "Images that pass the model together.")
  var batchSize = 32
  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard top > 0 else { throw ValidationError("--top must be at least 1, not \(top)") }
    guard batchSize > 0 else { throw ValidationError("--batch-size must be at least 1, not \(batchSize)") }
  }

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let product = try session.product(.fp32)
      let collectives = session.collectives
      let (files, classNames, classifier) = try collectives.agree {
        // Files are cheap to look for: what is wrong with them is found before the model is read.
        let files = try ImagePaths.expand(images)
        let tuned = try modelOptions.tunedWeights()
        let classNames = try ClassNames.choose(classes, tuned?.description)
        return (files, classNames, try makeClassifier(session, product, tuned, classNames))
      }
      let results = try classifier.classify(
        files.map { URL(fileURLWithPath: $0) }, top: min(top, classNames.count),
        onFailure: onBadImage == .skip ? .pass : .stop, collectives)
      try collectives.agree { if collectives.rank == 0 { try report(files, results, classNames, session.log) } }
    }
  }

  private func makeClassifier(
    _ session: Session, _ product: MachineProduct, _ tuned: TunedWeights?, _ classNames: [String]
  ) throws -> ImageClassifier<MachineProduct> {
    let template = try (template ?? tuned?.description.template).map { try PromptTemplate($0) } ?? .fallback
    let (model, source) = try modelOptions.load(tuned, session.log)
    let tokenizer = try CLIPTokenizer(source, model.configuration)
    try model.configuration.judge(tokenizer, place: modelOptions.model)
    let preprocessing = try ImagePreprocessing(source, imageSize: model.configuration.imageSize)
    let prompter = Prompter(template: template, tokenizer: tokenizer, model: model, place: "--template")
    return ImageClassifier(
      model, transform: ImageTransform(preprocessing), prompts: try prompter.prompts(classNames),
      batchSize: batchSize, loaderThreads: session.threads, by: product)
  }

  private func report(_ files: [String], _ results: [ImageClasses], _ classNames: [String], _ log: Log) throws {
    let bad = results.compactMap(\.failure)
    // Nothing to show is no success.
    if bad.count == files.count, let first = bad.first { throw first }
    if json {
      for (file, result) in zip(files, results) { print(Self.record(file, result, classNames).json) }
    } else {
      print(Self.table(files, results, classNames).terminal, terminator: "")
    }
    for failure in bad { log.warning("skipped \(failure)") }
    if !bad.isEmpty { log.warning("\(bad.count) of \(files.count) images were skipped") }
  }

  private static func table(_ files: [String], _ results: [ImageClasses], _ classNames: [String]) -> TextTable {
    var table = TextTable(columns: ["image", "class", "probability"])
    for (file, result) in zip(files, results) {
      for (rank, match) in result.matches.enumerated() {
        table.append([rank == 0 ? file : nil, classNames[match.label], Readable.fixed(match.probability, 4)])
      }
    }
    return table
  }

  private static func record(_ file: String, _ result: ImageClasses, _ classNames: [String]) -> MetricRecord {
    if let failure = result.failure { return ["image": .text(file), "error": .text("\(failure)")] }
    let matches = result.matches.map { match -> MetricValue in
      .object(["class": .text(classNames[match.label]), "probability": .double(match.probability)])
    }
    return ["image": .text(file), "classes": .list(matches)]
  }
}
