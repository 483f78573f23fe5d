import CKernels

/// The memory that malloc hands out.
public enum ProcessHeap {
  /// Keeps what is given back for the next who asks.
  ///
  /// Libraries take and give back memory with each call, oneDNN to pack the matrices of one product: new pages each time take
  /// more time than some products. Tensors do not come from there.
  public static func keepFreedMemory() { skt_keep_freed_memory() }
}
