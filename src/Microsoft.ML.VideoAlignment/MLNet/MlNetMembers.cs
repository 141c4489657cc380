using System.Reflection;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// The members that Microsoft.ML keeps internal and <see cref="MlNetInterop"/> uses: whether the version that is loaded has them. Without this check a version
/// that lacks one would fail with a <see cref="MissingMethodException"/> somewhere in a run.
/// </summary>
internal static class MlNetMembers
{
    /// <summary>The version of Microsoft.ML that this library is built and tested with.</summary>
    internal const string RequiredVersion = "5.0.1";

    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    private static readonly string[] s_used =
    [
        "Microsoft.ML.TransformsCatalog, Microsoft.ML.Data: _env",
        "Microsoft.ML.Runtime.IHostEnvironmentInternal, Microsoft.ML.Core: get_GpuDeviceId",
        "Microsoft.ML.Runtime.IHostEnvironmentInternal, Microsoft.ML.Core: get_FallbackToCpu",
        "Microsoft.ML.Runtime.IHostEnvironmentInternal, Microsoft.ML.Core: get_Seed",
        "Microsoft.ML.Runtime.IHostEnvironmentInternal, Microsoft.ML.Core: get_TempFilePath",
        "Microsoft.ML.SchemaShape, Microsoft.ML.Core: Create",
        "Microsoft.ML.ModelSaveContext, Microsoft.ML.Core: SaveBinaryStream",
        "Microsoft.ML.ModelSaveContext, Microsoft.ML.Core: SetVersionInfo",
        "Microsoft.ML.VersionInfo, Microsoft.ML.Core: .ctor",
        "Microsoft.ML.ModelLoadContext, Microsoft.ML.Core: TryLoadBinaryStream",
        "Microsoft.ML.ModelLoadContext, Microsoft.ML.Core: Repository",
        "Microsoft.ML.ModelLoadContext, Microsoft.ML.Core: Directory",
        "Microsoft.ML.RepositoryReader, Microsoft.ML.Core: _archive",
        "Microsoft.ML.LoadableClassAttribute, Microsoft.ML.Core: .ctor",
        "Microsoft.ML.SignatureLoadModel, Microsoft.ML.Core: ",
        "Microsoft.ML.Data.MLImage, Microsoft.ML.ImageAnalytics: _image",
    ];

    private static readonly Lazy<string?> s_missing = new(() => FindMissing(s_used));

    /// <summary>What <see cref="MlNetInterop"/> uses, as <see cref="FindMissing"/> takes it.</summary>
    internal static IReadOnlyList<string> Used => s_used;

    /// <summary>Checks once a process that the loaded Microsoft.ML has every member.</summary>
    /// <exception cref="NotSupportedException">It lacks one; the message names it and both versions.</exception>
    public static void Require()
    {
        if (s_missing.Value is { } missing)
        {
            throw Fault(missing);
        }
    }

    /// <summary>What <see cref="Require"/> throws.</summary>
    /// <param name="missing">The member that is not there, "type, assembly: member".</param>
    internal static NotSupportedException Fault(string missing) => new(
        $"Microsoft.ML {VersionOf(typeof(ITransformer).Assembly)} is loaded, and has no '{missing}', which this library needs to save and load its models: "
        + $"expected Microsoft.ML {RequiredVersion}. Reference that version, or a newer version of Microsoft.ML.VideoAlignment.");

    /// <summary>The first of <paramref name="members"/> that the loaded Microsoft.ML does not have; null where it has all.</summary>
    /// <param name="members">Each "type, assembly: member"; an empty member asks for the type alone.</param>
    internal static string? FindMissing(IEnumerable<string> members) => members.FirstOrDefault(member =>
    {
        string[] parts = member.Split(": ");
        return Type.GetType(parts[0], throwOnError: false) is not { } type || (parts[1].Length > 0 && type.GetMember(parts[1], Any).Length == 0);
    });

    private static string VersionOf(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? $"{assembly.GetName().Version}";
}
