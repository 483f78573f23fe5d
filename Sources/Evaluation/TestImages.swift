import Coordination
import Datasets

/// Images to be told apart, and what by.
public struct TestImages: Sendable {
  /// The data set of the images; its classes are those of `scoring`.
  public let dataset: Dataset
  /// The images.
  public let items: [DatasetItem]
  /// What tells its classes apart.
  public let scoring: any ClassScoring
  /// Their features at the scoring's input stage, where these are kept from one test to the next.
  public let kept: (any KeptTestFeatures)?

  /// Images of a data set.
  public init(
    _ dataset: Dataset, _ items: [DatasetItem], by scoring: any ClassScoring, kept: (any KeptTestFeatures)? = nil
  ) {
    self.dataset = dataset
    self.items = items
    self.scoring = scoring
    self.kept = kept
  }
}

/// How tests are shared among ranks.
public struct TestSchedule: Sendable {
  /// What rank 0 does beside handing out work.
  public var coordinator: CoordinatorRole
  /// How many images a rank is given at a time.
  public var sizing: WorkQueue.Sizing
  /// Whether an image that cannot be read ends the test, or is passed over and counted.
  public var onBadImage: ImageFailurePolicy

  /// A schedule; by default rank 0 works too, and ranks are given 5 seconds of work at a time.
  public init(
    coordinator: CoordinatorRole = .shared, sizing: WorkQueue.Sizing = .seconds(5),
    onBadImage: ImageFailurePolicy = .stop
  ) {
    self.coordinator = coordinator
    self.sizing = sizing
    self.onBadImage = onBadImage
  }
}
