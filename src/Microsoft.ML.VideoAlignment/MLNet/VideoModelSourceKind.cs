namespace Microsoft.ML.VideoAlignment;

/// <summary>How a saved alignment names its base model.</summary>
public enum VideoModelSourceKind
{
    /// <summary>By the path of its folder or file.</summary>
    Path,

    /// <summary>By its hub id, "owner/name", with the commit that was loaded.</summary>
    Hub,

    /// <summary>The name of a model that comes with a package of this project, such as Microsoft.ML.VideoAlignment.MovingShapes.</summary>
    Embedded,
}
