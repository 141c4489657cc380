namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Copies weights to where they wait until they are computed with, and back.</summary>
internal interface IWeightTransfer : IDisposable
{
    /// <summary>Copies a weight to where it waits.</summary>
    /// <param name="weight">Any shape.</param>
    /// <returns>A fresh tensor with memory of its own.</returns>
    Tensor Store(Tensor weight);

    /// <summary>Begins to copy a weight back.</summary>
    /// <param name="waiting">What <see cref="Store"/> returned.</param>
    /// <param name="shape">The weight's shape.</param>
    /// <param name="strides">The weight's strides.</param>
    /// <returns>The copy under way, which the caller owns.</returns>
    IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides);
}

/// <summary>A weight on its way to the device. Disposed, its memory is free as soon as nothing that is queued needs it.</summary>
internal interface IWeightCopy : IDisposable
{
    /// <summary>The weight on the device; its numbers are there for what is queued after <see cref="Wait"/>.</summary>
    Tensor Weight { get; }

    /// <summary>Lets everything that the device is given from now on begin after the copy has ended. The host waits for nothing.</summary>
    void Wait();
}
