namespace Microsoft.ML.VideoAlignment;

/// <summary>What names the base model of a saved alignment.</summary>
public enum VideoModelSourceKind
{
    /// <summary>The path of its folder or file.</summary>
    Path,

    /// <summary>Its id of the hub, "owner/name", with the commit that was loaded.</summary>
    Hub,

    /// <summary>The name of a model that comes with a package of this project, such as Microsoft.ML.VideoAlignment.MovingShapes.</summary>
    Embedded,
}
