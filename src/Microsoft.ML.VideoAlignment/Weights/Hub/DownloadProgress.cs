namespace Microsoft.ML.VideoAlignment;

/// <summary>The progress of a download.</summary>
/// <param name="File">The file that is being fetched, such as "unet/diffusion_pytorch_model.safetensors".</param>
/// <param name="Bytes">The bytes present of all files of this download, those from an earlier try included.</param>
/// <param name="TotalBytes">The bytes of all files of this download.</param>
public readonly record struct DownloadProgress(string File, long Bytes, long TotalBytes);
