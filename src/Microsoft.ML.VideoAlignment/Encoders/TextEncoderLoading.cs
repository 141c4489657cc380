namespace Microsoft.ML.VideoAlignment;

/// <summary>Where the weights of a large text encoder (T5) are between its calls.</summary>
public enum TextEncoderLoading
{
    /// <summary>In memory if they take less than half of what is free, else in the files.</summary>
    Automatic,

    /// <summary>In memory.</summary>
    Memory,

    /// <summary>In the files; every call reads them, one block at a time.</summary>
    Streamed,
}
