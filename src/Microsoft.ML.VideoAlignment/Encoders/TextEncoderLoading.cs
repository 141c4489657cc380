namespace Microsoft.ML.VideoAlignment;

/// <summary>Where a large text encoder (T5) keeps its weights between calls.</summary>
public enum TextEncoderLoading
{
    /// <summary>In memory if they take less than half of the free memory, else in the files.</summary>
    Automatic,

    /// <summary>In memory.</summary>
    Memory,

    /// <summary>In the files; every call reads them, one block at a time.</summary>
    Streamed,
}
