using System.IO.Compression;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using SkiaSharp;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// All uses of members that Microsoft.ML keeps internal. A test calls each one, so that a new version of Microsoft.ML fails there and not at a user's.
/// </summary>
/// <remarks>
/// ML.NET lets others implement <see cref="IEstimator{TTransformer}"/> and <see cref="ITransformer"/>, but not save or load them (dotnet/machinelearning issues
/// 4911 and 6839); these accessors close the gap.
/// </remarks>
internal static class MlNetInterop
{
    private const string LoadContext = "Microsoft.ML.ModelLoadContext, Microsoft.ML.Core";

    private const string InternalEnvironment = "Microsoft.ML.Runtime.IHostEnvironmentInternal, Microsoft.ML.Core";

    private static readonly Assembly s_core = typeof(ITransformer).Assembly;

    /// <summary>The environment of <c>mlContext.Transforms</c>.</summary>
    /// <param name="catalog">The catalog.</param>
    public static IHostEnvironment GetEnvironment(TransformsCatalog catalog)
    {
        MlNetMembers.Require();
        return EnvironmentField(catalog);
    }

    /// <summary>Reads <c>MLContext.GpuDeviceId</c>.</summary>
    /// <param name="environment">The context, or a host registered in it.</param>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_GpuDeviceId")]
    public static extern int? GpuDeviceId([UnsafeAccessorType(InternalEnvironment)] object environment);

    /// <summary>Reads <c>MLContext.FallbackToCpu</c>.</summary>
    /// <param name="environment">The context, or a host registered in it.</param>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_FallbackToCpu")]
    public static extern bool FallbackToCpu([UnsafeAccessorType(InternalEnvironment)] object environment);

    /// <summary>Reads the seed of the <see cref="MLContext"/>; null: none.</summary>
    /// <param name="environment">The context, or a host registered in it.</param>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Seed")]
    public static extern int? Seed([UnsafeAccessorType(InternalEnvironment)] object environment);

    /// <summary>Reads <c>MLContext.TempFilePath</c>, the folder for temporary files.</summary>
    /// <param name="environment">The context, or a host registered in it.</param>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_TempFilePath")]
    public static extern string TemporaryFolder([UnsafeAccessorType(InternalEnvironment)] object environment);

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    public static extern SchemaShape.Column CreateColumn(
        string name, SchemaShape.Column.VectorKind kind, DataViewType itemType, bool isKey, SchemaShape? annotations);

    /// <summary>The shape of a schema, as ML.NET's own estimators see it.</summary>
    /// <param name="schema">The schema.</param>
    public static SchemaShape GetShape(DataViewSchema schema) => CreateShape(null, schema);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "SaveBinaryStream")]
    public static extern void SaveStream(ModelSaveContext context, string name, Action<BinaryWriter> write);

    /// <summary>Declares what loads the model; without it ML.NET refuses to finish the file.</summary>
    /// <param name="context">The model being saved.</param>
    /// <param name="modelSignature">Eight characters that identify the format.</param>
    /// <param name="version">Version of the format.</param>
    /// <param name="loaderSignature">The signature of the loader's registration.</param>
    public static void SetVersion(ModelSaveContext context, string modelSignature, uint version, string loaderSignature)
    {
        Type versionType = s_core.GetType("Microsoft.ML.VersionInfo", throwOnError: true)!;
        string assembly = typeof(MlNetInterop).Assembly.FullName!;
        object versionInfo = Activator.CreateInstance(versionType, modelSignature, version, version, version, assembly, loaderSignature, null)!;
        MethodInfo set = typeof(ModelSaveContext).GetMethod("SetVersionInfo", BindingFlags.Instance | BindingFlags.NonPublic)
            ?? throw new MissingMethodException(nameof(ModelSaveContext), "SetVersionInfo");
        set.Invoke(context, [versionInfo]);
    }

    /// <summary>Reads an entry of a saved model; false where there is none.</summary>
    /// <param name="context">ML.NET's internal ModelLoadContext.</param>
    /// <param name="name">Name of the entry.</param>
    /// <param name="read">Reads the entry.</param>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "TryLoadBinaryStream")]
    public static extern bool TryLoadStream([UnsafeAccessorType(LoadContext)] object context, string name, Action<BinaryReader> read);

    /// <summary>Lists the entries of the zip that belong to the transformer that is being loaded.</summary>
    /// <param name="context">ML.NET's internal ModelLoadContext.</param>
    /// <returns>Names relative to the transformer's folder, packed sizes, and the sizes that the zip's directory declares, in bytes.</returns>
    public static IReadOnlyList<(string Name, long Packed, long Size)> ListEntries(object context)
    {
        const BindingFlags Fields = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
        object repository = Field(context, "Repository")!;
        string folder = Plain((string?)Field(context, "Directory") ?? "");
        string prefix = folder.Length == 0 ? "" : $"{folder}/";
        return
        [
            .. ((ZipArchive)Field(repository, "_archive")!).Entries.Where(entry => Plain(entry.FullName).StartsWith(prefix, StringComparison.Ordinal))
                .Select(entry => (Plain(entry.FullName)[prefix.Length..], entry.CompressedLength, entry.Length)),
        ];

        static object? Field(object owner, string name) =>
            (owner.GetType().GetField(name, Fields) ?? throw new MissingFieldException(owner.GetType().Name, name)).GetValue(owner);

        // Old archives have backslashes.
        static string Plain(string path) => path.Replace('\\', '/');
    }

    /// <summary>Registers loaders with a catalog; doing it again is harmless.</summary>
    /// <remarks>The attribute that ML.NET looks for is internal, so a stand-in assembly that carries it goes through the public registration.</remarks>
    /// <param name="catalog">The context's catalog of components.</param>
    /// <param name="loaders">Types with <c>static ITransformer Create(IHostEnvironment, object)</c>, and their signatures.</param>
    public static void Register(ComponentCatalog catalog, IReadOnlyList<(Type Type, string Signature)> loaders)
    {
        MlNetMembers.Require();
        catalog.RegisterAssembly(new LoaderAssembly(loaders));
    }

    /// <summary>Copies the bytes of an image, row by row.</summary>
    /// <remarks>
    /// <see cref="MLImage.Pixels"/> is bound to SkiaSharp 2 and throws beside SkiaSharp 3 (the method it calls has another type there); what this method reads
    /// is the same in both.
    /// </remarks>
    /// <param name="image">An image in memory.</param>
    /// <returns>Four bytes per pixel, in the image's own order.</returns>
    public static byte[] ReadPixels(MLImage image)
    {
        SKBitmap bitmap = BitmapField(image);
        byte[] bytes = new byte[bitmap.Width * bitmap.Height * 4];
        for (int row = 0; row < bitmap.Height; row++)
        {
            Marshal.Copy(bitmap.GetPixels() + (row * bitmap.RowBytes), bytes, row * bitmap.Width * 4, bitmap.Width * 4);
        }

        GC.KeepAlive(image);
        return bytes;
    }

    /// <summary>Whether the image is declared to have no transparency.</summary>
    /// <param name="image">An image in memory.</param>
    public static bool IsOpaque(MLImage image) => BitmapField(image).AlphaType == SKAlphaType.Opaque;

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_image")]
    private static extern ref SKBitmap BitmapField(MLImage image);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_env")]
    private static extern ref IHostEnvironment EnvironmentField(TransformsCatalog catalog);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "Create")]
    private static extern SchemaShape CreateShape(SchemaShape? type, DataViewSchema schema);

    private sealed class LoaderAssembly : Assembly
    {
        private readonly Attribute[] _loaders;
        private readonly string _signatures;

        public LoaderAssembly(IReadOnlyList<(Type Type, string Signature)> loaders)
        {
            _signatures = string.Join('+', loaders.Select(loader => loader.Signature));
            Type attribute = s_core.GetType("Microsoft.ML.LoadableClassAttribute", throwOnError: true)!;
            Type signature = s_core.GetType("Microsoft.ML.SignatureLoadModel", throwOnError: true)!;
            ConstructorInfo constructor = attribute.GetConstructor([typeof(Type), typeof(Type), typeof(Type), typeof(Type), typeof(string), typeof(string[])])
                ?? throw new MissingMethodException(attribute.Name, ".ctor");
            _loaders =
            [
                .. loaders.Select(loader => (Attribute)constructor.Invoke(
                    [typeof(ITransformer), loader.Type, null, signature, "", new[] { loader.Signature }])),
            ];
        }

        // The catalog registers an assembly of one name once.
        public override string FullName => $"{typeof(LoaderAssembly).FullName}+{_signatures}@{typeof(LoaderAssembly).Assembly.FullName}";

        public override Type[] GetTypes() => [];

        public override AssemblyName GetName() => typeof(LoaderAssembly).Assembly.GetName();

        public override object[] GetCustomAttributes(Type attributeType, bool inherit)
        {
            Attribute[] matching = [.. _loaders.Where(attributeType.IsInstanceOfType)];
            var typed = (object[])Array.CreateInstance(attributeType, matching.Length);
            Array.Copy(matching, typed, matching.Length);
            return typed;
        }
    }
}
