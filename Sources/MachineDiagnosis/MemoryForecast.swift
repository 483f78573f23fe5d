import CLIPModel
import Planning
import SkipTuning

/// Memory that Skip Tuning of a model takes, with the settings that most runs have.
public enum MemoryForecast {
  /// Images of a step of each rank, classes, and images that are tested at a time.
  private static let (images, classes, testImages) = (4, 100, 32)

  /// Most bytes of each of `ranks` ranks, of which `ranksPerHost` share a host.
  ///
  /// Half of the blocks are trained, as published.
  public static func bytes(_ configuration: CLIPConfiguration, ranks: Int, ranksPerHost: Int) -> Int {
    let startLayer = min(configuration.vision.depth, configuration.text.depth) / 2
    let scenario = Scenario(
      configuration, .skipTuning(startLayer: startLayer, ClassSkip.Settings()),
      classes: PromptSet(count: classes, length: 10, shared: 5), batch: .perRank(images), epochImages: 16 * classes,
      ranksPerNode: ranksPerHost)
    // How fast the machine is does not matter to memory.
    let machine = MachineProfile(
      threads: 1, ranksPerNode: ranksPerHost, products: [.init(rows: 512, operations: 1e11)], attention: 1e11,
      elements: 1e10, update: 1e10, memory: 1e10, node: .init(latency: 1e-6, bandwidth: 1e9),
      network: .init(latency: 1e-5, bandwidth: 1e9))
    guard let forecast = Forecast(scenario, on: machine, ranks: ranks) else { return 0 }
    return PeakMemory(
      configuration, forecast.memory, startLayer: startLayer,
      ownedParameters: (forecast.trainedParameters + ranks - 1) / ranks, neighbours: ranksPerHost - 1,
      PeakMemory.Run(
        testImages: testImages, savesCheckpoints: true, makesFeaturesAgain: true,
        restsFrozenWeights: ranksPerHost == 1), StepMemory.Way()
    ).total
  }
}
